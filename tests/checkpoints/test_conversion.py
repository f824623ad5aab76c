"""Conversion of checkpoint files; the command line is tested with its tool."""

import pytest
import torch

from mmwsss.checkpoints.conversion import convert_checkpoint
from tests.mctformer_golden import golden, state_of


@pytest.fixture
def released(tmp_path):
    """A released MCTformer+ checkpoint, with what its training script adds."""
    path = tmp_path / 'released.pth'
    state = state_of(golden('mctformer_plus_model'))
    torch.save({'model': state, 'epoch': 44, 'args': {'lr': 1.0}}, path)
    return path


def test_ours_is_tensors_and_plain_containers(released, tmp_path):
    result = convert_checkpoint(released, tmp_path / 'ours.pth')
    assert result.format == 'mctformer_plus' and result.num_classes == 5
    assert result.left_out == ['norm.bias', 'norm.weight', 'pos_embed']
    content = torch.load(tmp_path / 'ours.pth', weights_only=True)
    assert set(content) == {'state_dict', 'meta'}
    assert content['meta'] == {'converted_from': 'mctformer_plus'}
    assert set(content['state_dict']) == set(result.state)
    back = convert_checkpoint(tmp_path / 'ours.pth', tmp_path / 'back.pth', to='released')
    assert back.format == 'mctformer_plus'
    again = torch.load(tmp_path / 'back.pth', weights_only=True)['model']
    state = state_of(golden('mctformer_plus_model'))
    assert all(
        torch.equal(again[name], state[name]) for name in state if name not in result.left_out
    )


@pytest.mark.parametrize(
    'options, message',
    [
        (dict(to='theirs'), "to must be 'mmwsss' or 'released'"),
        (dict(name='resnet'), "'resnet'"),
        (dict(name='psa'), 'mctformer_plus.*psa'),
        (dict(to='released'), 'is a released checkpoint already'),
    ],
)
def test_what_is_refused(options, message, released, tmp_path):
    with pytest.raises(ValueError, match=message):
        convert_checkpoint(released, tmp_path / 'out.pth', **options)
    assert not (tmp_path / 'out.pth').exists()


def test_the_source_is_never_overwritten(released):
    before = released.read_bytes()
    with pytest.raises(ValueError, match='would overwrite the one that is read'):
        convert_checkpoint(released, released)
    assert released.read_bytes() == before
