"""The model of every config at a size that a test can train, and batches as the loaders give
them.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from mmengine.config import Config
from mmengine.model import BaseModel
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample
from torch import Tensor

import mmwsss.engine.hooks  # noqa: F401  registers the components
import mmwsss.models  # noqa: F401
from mmwsss.apis import load_config
from mmwsss.models.backbones import wide_resnet38
from mmwsss.registry import MODELS
from mmwsss.structures import WSSSDataSample

CONFIGS = Path(__file__).parents[2] / 'configs'
TINY_VIT = dict(embed_dims=32, num_layers=3, num_heads=2, feedforward_channels=64)
TAGS = ((3, 14), (7,))
# views of an image, and the side of a training crop
SINGLE_STAGE_VIEWS = dict(mcc=3, toco=3, cosa=2)
CROP = 64
AFFINITY_CROP = 96  # pairs of cells need a grid larger than their radius
# config -> what kind of batch it takes
TAG_CONFIGS = (
    'mctformer_v1_voc',
    'mctformer_v2_voc',
    'mctformer_plus_voc',
    'mctformer_v2_acr_voc',
    'aream_voc',
    'acr_voc',
    'acr_deit-s_voc',
    'mcc_voc',
    'toco_voc',
    'cosa_voc',
    'cosa-paper_voc',
)
AFFINITY_CONFIGS = ('psa_voc', 'irn_voc')
SEG_CONFIGS = (
    'deeplabv1_r38_voc_pseudo',
    'deeplabv2_r101_voc_pseudo',
    'upernet_swin-b_voc_pseudo',
)


def _narrow(value: Any) -> Any:
    """Widths of ResNet-38 by 16, but for those of its first and last layer."""
    if isinstance(value, dict):
        return {key: _narrow(item) for key, item in value.items()}
    if isinstance(value, tuple):
        return tuple(map(_narrow, value))
    return value // 16 if isinstance(value, int) and 64 < value < 4096 else value


NARROW = {
    name: _narrow(getattr(wide_resnet38, name))
    for name in ('BASIC_BLOCKS', 'BOTTLENECKS', 'FEATURE_MAPS')
}


def small_config(name: str) -> Config:
    """A config with random weights and narrow networks; what it computes stays."""
    config = load_config(CONFIGS / f'{name}.py')
    _walk(config._cfg_dict, _shrink)
    model = config.model
    if name.startswith('upernet'):
        model.backbone.update(embed_dims=8, depths=(1, 1, 1, 1), num_heads=(1, 1, 2, 2))
        model.decode_head.update(in_channels=(8, 16, 32, 64), channels=16)
    if name.startswith('deeplabv2'):
        model.backbone.update(depth=18, base_channels=8, stem_channels=8, style='pytorch')
        model.decode_head.update(in_channels=64)
    if name.startswith('irn'):
        model.backbone.update(depth=50, base_channels=8, stem_channels=8)
    if name.startswith('toco'):
        model.update(crop_size=32, num_crops=2)
    if name.startswith('mcc'):
        model.update(num_masks=8, mask_scale=2)
    if 'loss_starts' in model:
        model.loss_starts = dict.fromkeys(model.loss_starts, 0)
    if model.get('data_preprocessor', {}).get('size') is not None:
        model.data_preprocessor.size = (CROP, CROP)
    if model.get('test_cfg', {}).get('size') is not None:
        model.test_cfg.size = (CROP, CROP)
    return config


def small_model(name: str) -> BaseModel:
    """The model of :func:`small_config`, random weights."""
    torch.manual_seed(0)
    with patch.multiple(wide_resnet38, **NARROW):
        model = MODELS.build(small_config(name).model)
    model.init_weights()
    return model


def training_batch(name: str, batch: int = 2) -> dict[str, Any]:
    """A collated batch of a config's training loader: uint8 images and data samples on the host."""
    side = AFFINITY_CROP if name in AFFINITY_CONFIGS else CROP
    generator = torch.Generator().manual_seed(1)

    def images() -> list[Tensor]:
        return [
            torch.randint(0, 256, (3, side, side), dtype=torch.uint8, generator=generator)
            for _ in range(batch)
        ]

    views = SINGLE_STAGE_VIEWS.get(name.split('_')[0].split('-')[0], 1)
    inputs = images() if views == 1 else [images() for _ in range(views)]
    samples = [_sample(name, index, side) for index in range(batch)]
    return dict(inputs=inputs, data_samples=samples)


def prediction_batch(name: str, batch: int = 1, size: tuple[int, int] = (48, 80)) -> dict[str, Any]:
    """A collated batch of a config's test loader; classifiers see two scales."""
    generator = torch.Generator().manual_seed(2)
    sizes = [size, (64, 96)] if _has_views(name) else [size]
    views = [
        [
            torch.randint(0, 256, (3, *shape), dtype=torch.uint8, generator=generator)
            for _ in range(batch)
        ]
        for shape in sizes
    ]
    samples = []
    for index in range(batch):
        meta = dict(ori_shape=size, img_shape=size, img_path=f'{index}.jpg', img_id=str(index))
        if name in SEG_CONFIGS:
            samples.append(SegDataSample(metainfo=meta))
        else:
            samples.append(WSSSDataSample(metainfo=meta).set_gt_tags(_tags(index)))
    return dict(inputs=views if len(views) > 1 else views[0], data_samples=samples)


def _has_views(name: str) -> bool:
    return name.startswith(('mctformer', 'aream', 'acr'))


def _tags(index: int) -> Tensor:
    tags = torch.zeros(20)
    tags[list(TAGS[index % len(TAGS)])] = 1
    return tags


def _sample(name: str, index: int, side: int) -> SegDataSample:
    meta = dict(img_shape=(side, side), ori_shape=(side, side), img_path=f'{index}.jpg')
    if name in SEG_CONFIGS:
        label = torch.arange(side * side).view(1, side, side) // 97 % 21
        sample = SegDataSample(metainfo=meta)
        sample.gt_sem_seg = PixelData(data=label)
        return sample
    meta['img_box'] = (0, side, 0, side - 8 * index)
    sample = WSSSDataSample(metainfo=meta).set_gt_tags(_tags(index))
    if name in AFFINITY_CONFIGS:
        cells = side // (8 if name.startswith('psa') else 4)
        label = torch.arange(cells * cells).view(1, cells, cells) // 3 % 3
        sample.set_data(dict(affinity_label=PixelData(data=label)))
    return sample


def _walk(node: Any, change: Callable[[dict], None]) -> None:
    if isinstance(node, dict):
        change(node)
    if isinstance(node, (dict, list, tuple)):
        for value in node.values() if isinstance(node, dict) else node:
            _walk(value, change)


def _shrink(node: dict) -> None:
    kind = str(node.get('type', ''))
    if isinstance(node.get('init_cfg'), dict) and node['init_cfg'].get('type') == 'Pretrained':
        node['init_cfg'] = None
    if node.get('pretrained'):
        node['pretrained'] = None
    if kind.endswith(('TokenViT', 'HybridViT')):
        node['arch'] = dict(TINY_VIT)
        node['img_size'] = CROP
