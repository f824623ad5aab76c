"""The small networks that the released MCTformer code was run with, as ours."""

from pathlib import Path

import numpy as np
import torch
from mmengine.config import Config
from mmengine.logging import MMLogger

import mmwsss.models  # noqa: F401  registers the components
from mmwsss.registry import MODELS

TOLERANCE = dict(rtol=1e-4, atol=1e-5)
MODEL_ARCH = dict(embed_dims=32, num_layers=3, num_heads=2, feedforward_channels=128)
CAM_ARCH = dict(embed_dims=16, num_layers=3, num_heads=2, feedforward_channels=32)
INIT_ARCH = dict(embed_dims=16, num_layers=2, num_heads=2, feedforward_channels=32)


def golden(name):
    """Arrays of ``tests/golden/<name>.npz``."""
    with np.load(Path(__file__).parent / 'golden' / f'{name}.npz', allow_pickle=False) as data:
        return {key: data[key] for key in data.files}


def state_of(data, prefix='param/'):
    """State dict below a prefix."""
    return {
        key.removeprefix(prefix): torch.from_numpy(value)
        for key, value in data.items()
        if key.startswith(prefix)
    }


def close(ours, reference, **tolerance):
    """Compare a tensor with a golden array."""
    torch.testing.assert_close(
        ours.detach(), torch.as_tensor(reference), **(tolerance or TOLERANCE)
    )


def model_config(num_classes, arch, *, type='mmwsss.MCTformerPlus', backbone=None, **options):
    """Config of a tiny classifier, 64 pixel images and patches of 16."""
    return dict(
        type=type,
        num_classes=num_classes,
        backbone=dict(
            dict(type='mmwsss.TokenViT', arch=arch, img_size=64, patch_size=16), **(backbone or {})
        ),
        **options,
    )


def build(num_classes, arch, *, state=None, **options):
    """A tiny classifier in evaluation mode, with random weights or those of a state dict."""
    if not MMLogger.check_instance_created('tests'):
        # a list of all parameters for each model otherwise
        MMLogger.get_instance('tests', log_level='ERROR')
    model = MODELS.build(model_config(num_classes, arch, **options))
    model.init_weights()
    if state is not None:
        model.load_state_dict(state, strict=True)
    return model.eval()


def inference(model, *, scales=(1.0,), names=None):
    """Give a model what :func:`mmwsss.apis.init_model` would: config and class names."""
    steps = [
        dict(type='mmwsss.LoadImage'),
        dict(type='mmwsss.LoadMask', optional=True),
        dict(type='mmwsss.MultiScaleViews', scales=scales),
        dict(type='mmwsss.PackTagInputs'),
    ]
    model.cfg = Config(dict(test_dataloader=dict(dataset=dict(pipeline=steps))))
    model.class_names = ('background', *(names or map(str, range(model.num_classes))))
    return model


def samples_with(tags, **metainfo):
    """Data samples with the multi-hot rows of ``tags``."""
    from mmwsss.structures import WSSSDataSample

    return [
        WSSSDataSample(metainfo=dict(metainfo)).set_gt_tags(row)
        for row in torch.as_tensor(tags, dtype=torch.float32)
    ]
