"""MXNet files written byte by byte after the documented layout, and the key maps."""

import json
import struct
from pathlib import Path

import numpy as np
import pytest
import torch

from mmwsss.checkpoints import resnet38 as checkpoint

GOLDEN = Path(__file__).parents[1] / 'golden'


def packed(array, form):
    kind = {np.dtype(dtype): number for number, dtype in checkpoint.DTYPES.items()}[array.dtype]
    shape = array.shape
    if form == 'oldest':
        head = struct.pack(f'<I{len(shape)}I', len(shape), *shape)
    elif form == 'v1':
        head = struct.pack(f'<II{len(shape)}q', 0xF993FAC8, len(shape), *shape)
    else:
        head = struct.pack(
            f'<Iii{len(shape)}q', dict(v2=0xF993FAC9, v3=0xF993FACA)[form], 0, len(shape), *shape
        )
    return head + struct.pack('<iii', 1, 0, kind) + array.tobytes()


def write(path, arrays, form='oldest'):
    body = struct.pack('<QQQ', 0x112, 0, len(arrays)) + b''.join(
        packed(array, form) for array in arrays.values()
    )
    body += struct.pack('<Q', len(arrays)) + b''.join(
        struct.pack('<Q', len(name)) + name.encode() for name in arrays
    )
    path.write_bytes(body)
    return path


@pytest.mark.parametrize('form', ['oldest', 'v1', 'v2', 'v3'])
def test_reader(tmp_path, form):
    arrays = {
        'arg:conv1a_weight': np.random.rand(4, 3, 3, 3).astype(np.float32),
        'aux:bn7_moving_var': np.random.rand(5),
        'step': np.arange(6, dtype=np.int64).reshape(2, 3),
        'half': np.ones((1, 2), np.float16),
        'bytes': np.zeros(3, np.uint8),
    }
    read = checkpoint.read_mxnet_params(write(tmp_path / 'net.params', arrays, form))
    assert list(read) == list(arrays)
    for name, array in arrays.items():
        assert (
            read[name].dtype == array.dtype
            and np.array_equal(read[name], array)
            and read[name].flags.writeable
        )


def test_reader_skips_arrays_without_shape(tmp_path):
    path = tmp_path / 'net.params'
    array = packed(np.ones((2,), np.float32), 'v2')
    path.write_bytes(
        struct.pack('<QQQ', 0x112, 0, 2)
        + struct.pack('<Iii', 0xF993FAC9, 0, 0)
        + array
        + struct.pack('<QQ', 2, 1)
        + b'a'
        + struct.pack('<Q', 1)
        + b'b'
    )
    assert list(checkpoint.read_mxnet_params(path)) == ['b']


def test_reader_names_what_is_wrong(tmp_path):
    path = write(tmp_path / 'net.params', dict(a=np.ones((3, 4), np.float32)))
    content = path.read_bytes()
    for wrong, message in (
        (b'PK', 'not an MXNet'),
        (b'\0' * 40, 'not an MXNet'),
        (content[:60], 'the file ends'),
        (content.replace(struct.pack('<II', 3, 4), struct.pack('<II', 3, 400)), 'the file ends'),
        (content[:24] + struct.pack('<I', 99) + content[28:], 'unknown array tag'),
        (content[:24] + struct.pack('<Ii', 0xF993FAC9, 1) + content[24:], 'sparse'),
        (content[:44] + struct.pack('<i', 77) + content[48:], 'value type'),
    ):
        path.write_bytes(wrong)
        with pytest.raises(ValueError, match=message) as error:
            checkpoint.read_mxnet_params(path)
        assert 'net.params' in str(error.value)


def mxnet_name(name):
    """The other way round, for every parameter of the network."""
    *block, layer, what = name.split('.')
    what = dict(bias='beta', running_mean='moving_mean', running_var='moving_var').get(what, what)
    prefix = 'aux:' if what.startswith('moving') else 'arg:'
    if not block:
        return prefix + (
            'conv1a_weight' if layer == 'conv1a' else f'bn7_{what.replace("weight", "gamma")}'
        )
    stage, _, index = block[0][1:].partition('_')
    unit = f'{stage}b{index}' if index else f'{stage}a'
    kind, branch = layer.split('_')
    return (
        f'{prefix}res{unit}_{branch}_weight'
        if kind == 'conv'
        else f'{prefix}bn{unit}_{branch}_{what.replace("weight", "gamma")}'
    )


def test_mxnet_names_cover_the_network(tmp_path):
    names = [
        name
        for name, _ in json.loads((GOLDEN / 'wide_resnet38_keys.json').read_text())
        if not name.startswith('fc8')
    ]
    assert [checkpoint.mxnet_resnet38_name(mxnet_name(name)) for name in names] == names
    assert mxnet_name('b3.conv_branch2a.weight') == 'arg:res3a_branch2a_weight'
    assert mxnet_name('b3_2.conv_branch2b1.weight') == 'arg:res3b2_branch2b1_weight'
    assert checkpoint.mxnet_resnet38_name('linear1000_weight') is None
    for wrong in ('fc1_weight', 'res3a_branch2a_gamma', 'bn3a_branch2a_weight'):
        with pytest.raises(ValueError, match=wrong):
            checkpoint.mxnet_resnet38_name(wrong)
    arrays = {mxnet_name(name): np.full(2, index, np.float32) for index, name in enumerate(names)}
    arrays['arg:linear1000_bias'] = np.zeros(1000, np.float32)
    state = checkpoint.load_mxnet_resnet38(write(tmp_path / 'net.params', arrays))
    assert [name for name in state if not name.endswith('num_batches_tracked')] == names
    assert all(
        torch.equal(state[name], torch.full((2,), float(index))) for index, name in enumerate(names)
    )
    assert state['bn7.num_batches_tracked'] == 0


def test_released_torch_names():
    psa = checkpoint.translate_psa_keys(
        {
            'module.conv1a.weight': 0,
            'b3_1.bn_branch2a.bias': 1,
            'f8_3.weight': 2,
            'f9.weight': 3,
            'fc8.weight': 4,
        }
    )
    assert psa == {
        'backbone.conv1a.weight': 0,
        'backbone.b3_1.bn_branch2a.bias': 1,
        'projections.0.weight': 2,
        'fuse.weight': 3,
    }
    mct = checkpoint.translate_mctformer_segmentation_keys(
        {'bn7.bias': 0, 'fc8_seg_conv1.bias': 1, 'fc8_seg_conv2.weight': 2}
    )
    assert mct == {
        'backbone.bn7.bias': 0,
        'decode_head.conv1.bias': 1,
        'decode_head.conv_seg.weight': 2,
    }
