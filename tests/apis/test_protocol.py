"""Published protocols in the shipped configs."""

from pathlib import Path

import pytest
import torch
from mmengine.config import ConfigDict

from mmwsss.apis import load_config
from mmwsss.apis.protocol import apply_protocol
from mmwsss.engine.loops.crf_test_loop import apply_crf, keep_tagged
from mmwsss.models.refiners import DenseCRF

CONFIGS = Path(__file__).parents[2] / 'configs'


def config_with(name, protocol):
    config = load_config(CONFIGS / f'{name}.py')
    return config, apply_protocol(config, protocol)


def types(pipeline):
    return [step['type'].rpartition('.')[2] for step in pipeline]


def test_maps_of_a_classifier():
    config, inside = config_with('mctformer_plus_voc', 'acr-voc-train-cam')
    dataset = config.test_dataloader.dataset
    assert (
        not inside
        and dataset.split == 'train'
        and types(dataset.pipeline)
        == ['LoadImage', 'Resize', 'LoadMask', 'MultiScaleViews', 'PackTagInputs']
    )
    assert (
        dataset.pipeline[1].scale == (384, 384)
        and dataset.pipeline[3].scales == (1.0,)
        and config.model.test_cfg.flip is True
    )
    metric, tags = config.test_evaluator
    assert (
        metric['type'] == 'mmwsss.CAMMetric'
        and len(metric['thresholds']) == 100
        and metric['rule'] == 'best'
    )
    assert metric['protocol'] == tags['protocol'] == 'acr-voc-train-cam'
    again = apply_protocol(config, 'mctformer-plus-voc-train-cam')  # original size again
    assert again is False and 'Resize' not in types(config.test_dataloader.dataset.pipeline)
    assert config.test_dataloader.dataset.pipeline[2].scales == (1.0, 0.75, 1.25)


def test_segmentation_network():
    config, inside = config_with('deeplabv1_r38_voc_pseudo', 'mctformer-voc-val')
    assert (
        inside
        and config.model.type == 'mmwsss.FusionTTAModel'
        and config.model.rule == 'max_softmax'
    )
    assert config.model.module.type == 'mmseg.EncoderDecoder'
    assert config.test_cfg == dict(
        type='mmwsss.CRFTestLoop', crf=dict(preset='mct_test'), use_image_tags=False
    )
    dataset = config.test_dataloader.dataset
    assert dataset.ann_file.endswith('val.txt') and types(dataset.pipeline) == [
        'LoadImage',
        'TestTimeAug',
    ]
    sizes, flips, *_ = dataset.pipeline[1].transforms
    assert [step.scale_factor for step in sizes] == [0.5, 0.75, 1.0, 1.25, 1.5] and [
        step.prob for step in flips
    ] == [0.0]
    assert config.test_evaluator == [
        dict(
            type='mmwsss.SegMetric',
            mean='all',
            rates='mctformer',
            protocol='mctformer-voc-val',
            ignored_prediction='background',
            use_image_tags=False,
        )
    ]
    # types without a scope; other data
    config, _ = config_with('deeplabv3plus_r18_toy_pseudo', 'mcc-coco-val')
    sizes, flips, *_ = config.test_dataloader.dataset.pipeline[1].transforms
    assert [step.scale for step in sizes] == [(448, 448), (560, 560), (672, 672)] and [
        step.prob for step in flips
    ] == [0.0, 1.0]
    assert config.test_dataloader.dataset.ann_file.endswith('test.txt')


def test_published_coco_numbers():
    config, inside = config_with('deeplabv1_r38_coco_pseudo', 'mctformer-coco-val')
    assert (
        inside
        and config.model.rule == 'max_softmax'
        and config.test_cfg['crf'] == dict(preset='mct_test')
    )
    sizes, flips, *_ = config.test_dataloader.dataset.pipeline[1].transforms
    assert [step.scale_factor for step in sizes] == [0.5, 0.75, 1.0, 1.25, 1.5] and [
        step.prob for step in flips
    ] == [0.0]
    assert config.test_evaluator[0]['protocol'] == 'mctformer-coco-val'
    assert config.test_dataloader.dataset.ann_file.endswith('/val.txt')
    config, inside = config_with('mctformer_v2_coco', 'mctformer-coco-train-cam')
    dataset = config.test_dataloader.dataset
    assert (
        not inside
        and dataset.ann_file.endswith('/train.txt')
        and config.model.test_cfg.flip is True
    )
    assert next(
        step for step in dataset.pipeline if step['type'].endswith('MultiScaleViews')
    ).scales == (1.0,)
    assert (
        config.test_evaluator[0]['rule'] == 'greedy'
        and len(config.test_evaluator[0]['thresholds']) == 60
    )


def test_localisation_keeps_the_size_of_the_config():
    before = load_config(CONFIGS / 'mctformer_plus_openimages.py').test_dataloader.dataset.pipeline
    config, _ = config_with('mctformer_plus_openimages', 'openimages-wsol-test')
    assert config.test_dataloader.dataset.pipeline == before and before[1].scale == (448, 448)


def test_single_stage_network():
    config, inside = config_with('mcc_voc', 'mcc-voc-val')
    options = config.model.test_cfg
    assert not inside and (
        options.outputs,
        options.size,
        options.seg_scales,
        options.seg_flip,
        options.seg_fusion,
    ) == (('seg',), None, (1.0, 1.5, 1.25), True, 'max_of_flip_sums')
    assert config.test_dataloader.dataset.split == 'val' and config.test_cfg['crf'] == dict(
        preset='toco_test'
    )
    config, _ = config_with('mcc_voc', 'mcc-voc-train-cam')
    options = config.model.test_cfg
    assert (options.outputs, options.size, options.scales, options.flip) == (
        ('cam',),
        (448, 448),
        (1.0, 0.5, 1.5),
        True,
    )
    assert (
        config.test_evaluator[0]['thresholds'] == (0.5,)
        and config.test_dataloader.dataset.split == 'train'
    )
    config, _ = config_with('mcc_voc', 'cosa-voc-val-crf')
    assert config.test_cfg['use_image_tags'] and config.test_evaluator[0]['use_image_tags']


@pytest.mark.parametrize(
    'name, protocol, message',
    [
        (
            'mctformer_plus_voc',
            'mcc-voc-val',
            'mcc-voc-val is one of segmentation, mmwsss.MCTformerPlus makes none',
        ),
        (
            'deeplabv1_r38_voc_pseudo',
            'acr-voc-train-cam',
            r'is one of maps \(seeds\), mmseg.EncoderDecoder makes none',
        ),
        ('deeplabv1_r38_voc_pseudo', 'cosa-voc-val', 'filters by the tags of the image'),
        (
            'mctformer_plus_voc',
            'mctformer-voc-train-mask',
            'use tools/evaluate_masks.py --protocol mctformer-voc-train-mask',
        ),
        ('mctformer_plus_voc', 'acr', "'acr' is unknown"),
    ],
)
def test_wrong_protocols(name, protocol, message):
    with pytest.raises(ValueError, match=message):
        config_with(name, protocol)


def test_unregistered_model():
    config = load_config(CONFIGS / 'mctformer_plus_toy.py')
    config.model = ConfigDict(type='mmwsss.NoModel')
    with pytest.raises(ValueError, match="'mmwsss.NoModel' is not registered"):
        apply_protocol(config, 'acr-voc-train-cam')


def test_crf_with_and_without_tags(tmp_path):
    """Absent classes have no probability; both maps are refined as each would be alone."""
    from PIL import Image

    pixels = torch.randint(0, 256, (9, 11, 3), dtype=torch.uint8).numpy()
    Image.fromarray(pixels).save(tmp_path / 'a.png')
    logits = torch.randn(4, 9, 11)
    filtered = keep_tagged(logits, torch.tensor([0.0, 1.0, 0.0]))
    assert torch.equal(filtered[[0, 2]], logits[[0, 2]]) and (filtered[[1, 3]] == -1e5).all()
    maps = [logits.softmax(0).numpy(), filtered.softmax(0).numpy()]
    plain, tagged = apply_crf((tmp_path / 'a.png', maps), dict(preset='cosa_test', backend='torch'))
    crf = DenseCRF('cosa_test', backend='torch')
    assert (plain == crf(pixels, maps[0]).argmax(0)).all() and (
        tagged == crf(pixels, maps[1]).argmax(0)
    ).all()
    assert set(tagged.ravel()) <= {0, 2}
