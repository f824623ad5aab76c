"""Parameters and multiply-adds against counts by hand, and speed."""

import pytest
import torch

from mmwsss.apis.complexity import measure_complexity
from mmwsss.registry import MODELS
from tests.single_stage_models import SIDE, TINY, build

PATCH, GRID = 8, SIDE // 8
WIDTH, LAYERS, HIDDEN = TINY['embed_dims'], TINY['num_layers'], TINY['feedforward_channels']


def encoder_macs(tokens):
    """Multiply-adds of the patch embedding and of all layers."""
    embedding = GRID**2 * 3 * PATCH**2 * WIDTH
    projections = 4 * tokens * WIDTH**2 + 2 * tokens * WIDTH * HIDDEN
    attention = 2 * tokens**2 * WIDTH
    return embedding + LAYERS * (projections + attention)


def classifier():
    return MODELS.build(
        dict(
            type='mmwsss.MCTformerPlus',
            num_classes=5,
            backbone=dict(
                type='mmwsss.TokenViT',
                arch=TINY,
                img_size=SIDE,
                patch_size=PATCH,
                num_class_tokens=5,
            ),
        )
    ).eval()


def test_classifier_against_a_count_by_hand():
    result = measure_complexity(classifier(), (SIDE, SIDE))
    head = GRID**2 * 9 * WIDTH * 5
    assert result.macs * 1e9 == encoder_macs(GRID**2 + 5) + head
    parameters = sum(parameter.numel() for parameter in classifier().parameters())
    assert result.parameters * 1e6 == pytest.approx(parameters)
    assert result.images_per_s is None and result.images_per_s_crf is None


def test_only_the_network_that_predicts_counts():
    one, two = (measure_complexity(build(kind).eval(), (SIDE, SIDE)) for kind in
                ('SingleStage', 'CoSA'))  # fmt: skip
    assert one == two


def test_speed_with_and_without_crf():
    torch.manual_seed(0)
    model = build('SingleStage').eval()
    result = measure_complexity(model, (SIDE, SIDE), repeats=2, crf='toco_test')
    assert 0 < result.images_per_s_crf and 0 < result.images_per_s
    with pytest.raises(ValueError, match='MCTformerPlus segments nothing'):
        measure_complexity(classifier(), (SIDE, SIDE), repeats=1, crf='toco_test')
