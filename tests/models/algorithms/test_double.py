"""``model.double()``: a float64 path through a classifier, to tell rounding from faults."""

import pytest
import torch

from mmwsss.apis import load_config
from mmwsss.models.algorithms import TagClassifier
from mmwsss.registry import MODELS
from tests.tools.program import CONFIGS


@pytest.mark.parametrize('name', ['mctformer_plus_toy', 'aream_toy'])
@pytest.mark.parametrize('cam', [None, dict(type='mmwsss.CAM'), dict(type='mmwsss.TSCAM')])
def test_maps_in_float64(name, cam):
    config = load_config(CONFIGS / f'{name}.py')
    config.model.test_cfg = dict(config.model.test_cfg, cam=cam)
    model = MODELS.build(config.model)
    assert isinstance(model, TagClassifier)
    model.eval()
    view = torch.rand(1, 3, 96, 112)
    with torch.no_grad():
        single = model.grid_maps(view, [0, 2])
        double = model.double().grid_maps(view.double(), [0, 2])
    assert single.dtype == torch.float32 and double.dtype == torch.float64
    torch.testing.assert_close(single.double(), double, rtol=1e-3, atol=1e-4)
    assert not torch.equal(single.double(), double)
