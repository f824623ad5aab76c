"""Pooling of the released DeepLab-V2."""

import pytest
import torch
from mmengine.config import Config

from mmwsss.models.backbones import CeilPoolResNet
from tests.tools.program import CONFIGS


@pytest.mark.parametrize('side, cells', [(65, 9), (48, 7), (40, 6)])
def test_partly_filled_windows_are_kept(side, cells):
    """Sides 8k+1 are those of floor mode; others have a cell more."""
    options = dict(strides=(1, 2, 1, 1), dilations=(1, 1, 2, 4), contract_dilation=False)
    network = CeilPoolResNet(depth=50, base_channels=8, stem_channels=8, **options)
    network.eval()
    with torch.no_grad():
        assert network(torch.rand(1, 3, side, side))[-1].shape[-2:] == (cells, cells)


def test_deeplab_v2_uses_it():
    for name in ('deeplabv2_r101_voc_pseudo', 'deeplabv2_r101_coco_pseudo'):
        backbone = Config.fromfile(CONFIGS / f'{name}.py').model.backbone
        assert backbone.type == 'mmwsss.CeilPoolResNet' and backbone.style == 'caffe'
