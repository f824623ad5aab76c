"""CLIP-ES from its config, on a small tower; texts are drawn at random."""

import numpy as np
import pytest
import torch

from mmwsss.apis import load_config, load_weights
from mmwsss.models.algorithms import CLIPES
from mmwsss.registry import MODELS
from mmwsss.structures import WSSSDataSample
from mmwsss.utils.class_lists import benchmark_classes
from mmwsss.utils.text_embeddings import write_text_embeddings
from tests.tools.program import CONFIGS

WIDTH = 16
ARCH = dict(embed_dims=WIDTH, num_layers=2, num_heads=2, feedforward_channels=32)


def with_texts(config, folder, width):
    """The config with a file of random texts for a tower of the given width."""
    classes = benchmark_classes(config.model.test_cfg.cam.classes)[1:]
    names, rng = [*classes, 'sky', 'road'], np.random.default_rng(0)
    write_text_embeddings(
        folder / 'texts.npz',
        names,
        len(classes),
        rng.normal(size=(len(names), 8)),
        rng.normal(size=(width, 8)),
        10.0,
        names,
    )
    config.model.test_cfg.cam.embeddings = str(folder / 'texts.npz')
    return config


@pytest.fixture
def config(tmp_path):
    config = with_texts(load_config(CONFIGS / 'clip_es_voc.py'), tmp_path, WIDTH)
    config.model.backbone.update(arch=ARCH, img_size=64)
    return config


def test_only_the_tower_has_weights(config, tmp_path):
    torch.manual_seed(0)
    model = MODELS.build(config.model).eval()
    model.init_weights()
    assert all(name.startswith('backbone.') for name in model.state_dict())
    tower = {name.removeprefix('backbone.'): w for name, w in model.state_dict().items()}
    torch.save(tower, tmp_path / 'clip.pth')
    other = MODELS.build(config.model).eval()
    load_weights(other, tmp_path / 'clip.pth')
    image = torch.randn(2, 3, 64, 48)
    torch.testing.assert_close(other(image), model(image))
    scores = model(image)
    assert scores.shape == (2, 20) and (scores.sum(1) < 1).all() and (scores > 0).all()


def test_maps_do_not_depend_on_the_batch(config):
    """The classes of one image do not compete with those of another."""
    torch.manual_seed(0)
    model = MODELS.build(config.model).eval()
    model.init_weights()
    images, tags = torch.randn(3, 3, 50, 64), ([1, 4], [4], [0, 2, 9])

    def maps(chosen):
        samples = []
        for index in chosen:
            sample = WSSSDataSample()
            sample.set_gt_tags(torch.zeros(20).index_fill(0, torch.tensor(tags[index]), 1))
            samples.append(sample)
        return model.predict(images[list(chosen)], samples)

    for index, found in enumerate(maps(range(3))):
        (alone,) = maps([index])
        assert list(found.cam_keys) == tags[index]
        assert found.pred_cams.data.shape == (len(tags[index]), 50, 64)
        torch.testing.assert_close(found.pred_cams.data, alone.pred_cams.data)


def test_nothing_is_trained(config):
    with pytest.raises(ValueError, match='CLIPES is not trained: give tools/generate_cams.py'):
        MODELS.build(config.model)(torch.zeros(1, 3, 64, 64), [], mode='loss')
    with pytest.raises(ValueError, match="test_cfg.cam must be dict\\(type='mmwsss.TextCAM'"):
        CLIPES(dict(type='mmwsss.TokenViT', arch=ARCH), 20)
