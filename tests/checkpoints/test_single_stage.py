"""Released names of ToCo, MCC and CoSA, and ours."""

import pytest
import torch

from mmwsss.checkpoints.single_stage import (
    release_single_stage_keys,
    single_stage_kind,
    translate_single_stage_keys,
)
from tests.single_stage_models import build


@pytest.mark.parametrize('kind, name', [('mcc', 'MCC'), ('cosa', 'SingleStage')])
def test_there_and_back(kind, name):
    state = {
        key: value
        for key, value in build(name).state_dict().items()
        if not key.startswith('data_preprocessor')
    }
    released, left_out = release_single_stage_keys(state, kind)
    assert not left_out and single_stage_kind(released) == kind
    assert any(key.startswith('encoder.blocks.0.') for key in released)
    ours, left_out = translate_single_stage_keys(released)
    assert set(ours) == set(state)
    assert all(torch.equal(ours[key], state[key]) for key in state)
    # the frozen gain of a weight-normalised layer
    assert left_out == [key for key in released if key.endswith('last_layer.weight_g')]


def test_a_gain_that_is_not_one():
    released, _ = release_single_stage_keys(build('MCC').state_dict())
    name = next(key for key in released if key.endswith('last_layer.weight_g'))
    with pytest.raises(ValueError, match=f'{name}: the gain of the last layer is not 1'):
        translate_single_stage_keys({**released, name: 2 * released[name]})


def test_projectors_are_no_part_of_cosa():
    state = build('MCC').state_dict()
    released, left_out = release_single_stage_keys(state, 'cosa')
    assert not [key for key in released if 'proj_head' in key]
    assert {key for key in state if key.startswith(('projector.', 'teacher.'))} <= set(left_out)
    assert single_stage_kind({'a': torch.ones(1)}) is None
