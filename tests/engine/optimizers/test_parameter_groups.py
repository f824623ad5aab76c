"""Weight decay of every parameter, as in the released runs and in the configs."""

from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmengine.registry import DefaultScope

from mmwsss.registry import MODELS
from tests.mctformer_golden import INIT_ARCH, build, golden

CONFIGS = {
    path.stem: path for path in (Path(__file__).parents[3] / 'configs').glob('mctformer*.py')
}
RENAMED = {
    'patch_head.conv.': 'head.',
    'backbone.': '',
    'patch_embed.projection': 'patch_embed.proj',
    '.ln1': '.norm1',
    '.ln2': '.norm2',
    'ffn.layers.0.0': 'mlp.fc1',
    'ffn.layers.1': 'mlp.fc2',
    'layers.': 'blocks.',
}


def decays(model, optim_wrapper):
    """Weight decay of each parameter by name."""
    with DefaultScope.overwrite_default_scope('mmwsss'):
        optimizer = build_optim_wrapper(
            model, Config(dict(optim_wrapper=optim_wrapper)).optim_wrapper
        ).optimizer
    by_id = {
        id(parameter): group['weight_decay']
        for group in optimizer.param_groups
        for parameter in group['params']
    }
    return {
        name: by_id[id(parameter)]
        for name, parameter in model.named_parameters()
        if parameter.requires_grad
    }


def released_name(name):
    for ours, theirs in RENAMED.items():
        name = name.replace(ours, theirs)
    return name


def test_released_groups():
    data = golden('mctformer_plus_init')
    found = {0.0: set(), 0.05: set()}
    for name, decay in decays(
        build(5, INIT_ARCH),
        dict(
            type='mmengine.OptimWrapper',
            optimizer=dict(type='AdamW', lr=1e-3, weight_decay=0.05),
            paramwise_cfg=dict(
                norm_decay_mult=0.0,
                bias_decay_mult=0.0,
                custom_keys={'cls_token': dict(decay_mult=0.0)},
            ),
        ),
    ).items():
        found[decay].update(
            ['pos_embed_cls', 'pos_embed_pat']
            if name == 'backbone.pos_embed'
            else [released_name(name)]
        )
    unused = {'norm.weight', 'norm.bias', 'pos_embed'}
    assert found[0.0] == set(data['param_group/wd0.0'].tolist()) - unused
    assert found[0.05] == set(data['param_group/wd0.05'].tolist())


@pytest.mark.parametrize('name', CONFIGS)
def test_groups_of_the_configs(name):
    """No decay of 1-D tensors, biases and class tokens; the released + decays its position
    embeddings, V1, V2 and small nets do not.
    """
    config = Config.fromfile(CONFIGS[name])
    pretrained = config.model.backbone.pop('init_cfg', None) is not None
    released_plus = pretrained and config.model.type in ('mmwsss.MCTformerPlus', 'mmwsss.AReAM')
    with torch.device('meta'):
        model = MODELS.build(config.model)
    weight_decay = config.optim_wrapper.optimizer.weight_decay
    options = dict(
        type='mmengine.OptimWrapper',
        optimizer=config.optim_wrapper.optimizer,
        paramwise_cfg=config.optim_wrapper.paramwise_cfg,
    )
    for key, decay in decays(model, options).items():
        if key == 'backbone.pos_embed':
            assert decay == (weight_decay if released_plus else 0), key
        else:
            plain = (
                model.get_parameter(key).dim() == 1
                or key.endswith('bias')
                or key == 'backbone.cls_token'
            )
            assert decay == (0 if plain else weight_decay), key
