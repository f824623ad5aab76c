"""Scales of MCTformer's segmentation test."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from mmwsss.apis import load_config
from mmwsss.apis.protocol import apply_protocol
from mmwsss.datasets.transforms import AlignedScale
from mmwsss.registry import MODELS, TRANSFORMS
from tests.tools.program import CONFIGS

MEAN, STD = np.array([123.675, 116.28, 103.53]), np.array([58.395, 57.12, 57.375])


@pytest.mark.parametrize('scale, size', [(0.75, (30, 38)), (1.0, (41, 51)), (1.25, (51, 63))])
def test_it_is_the_resized_normalised_tensor(scale, size):
    image = np.random.default_rng(0).integers(0, 256, (41, 51, 3), np.uint8)
    results = AlignedScale(scale)(dict(img=image, img_shape=(41, 51), ori_shape=(41, 51)))
    assert results['img_shape'] == results['img'].shape[:2] == size
    assert results['ori_shape'] == (41, 51) and results['img'].dtype == np.float32
    tensor = torch.from_numpy((image - MEAN) / STD).permute(2, 0, 1)[None]
    expected = F.interpolate(tensor, size=size, mode='bilinear', align_corners=True)[0]
    found = (results['img'] - MEAN) / STD
    np.testing.assert_allclose(found, expected.permute(1, 2, 0).numpy(), atol=1e-5)


def test_who_uses_it():
    """DeepLab-V1, by protocol and by --tta; not DeepLab-V2."""
    for name, aligned in (('deeplabv1_r38_voc', True), ('deeplabv2_r101_voc', False)):
        config = load_config(CONFIGS / f'{name}_pseudo.py')
        assert ('mmwsss.AlignedScale' in str(config.tta_pipeline)) == aligned
    config = load_config(CONFIGS / 'deeplabv1_r38_voc_pseudo.py')
    apply_protocol(config, 'mctformer-voc-val')
    assert str(config.test_dataloader.dataset.pipeline).count('mmwsss.AlignedScale') == 5


def test_the_preprocessor_takes_float_images():
    """It normalises them as it does whole numbers."""
    config = load_config(CONFIGS / 'deeplabv1_r38_voc_pseudo.py')
    preprocessor = MODELS.build(config.model.data_preprocessor)
    pack = TRANSFORMS.build(dict(type='mmseg.PackSegInputs'))
    image = np.random.default_rng(0).integers(0, 256, (41, 51, 3), np.uint8)
    results = dict(img=image, img_shape=(41, 51), ori_shape=(41, 51), img_path='a.jpg')
    batches = []
    for scale in (None, 1.0):
        item = dict(results) if scale is None else AlignedScale(scale)(dict(results))
        packed = pack(item)
        data = dict(inputs=[packed['inputs']], data_samples=[packed['data_samples']])
        batches.append(preprocessor(data, False)['inputs'])
    torch.testing.assert_close(batches[0], batches[1], atol=1e-5, rtol=0)
