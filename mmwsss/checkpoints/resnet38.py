"""Released ResNet38 weights: the MXNet file of "Wider or Deeper", and key maps for the PyTorch
files of PSA, SEAM and MCTformer.

The MXNet reader follows the documented binary layout of NDArray lists (below) and needs no MXNet.
The real file ``ilsvrc-cls_rna-a1_cls1000_ep-0001.params`` was not available: the reader is tested
on files written in the same layout.

Layout, little endian: uint64 0x112, uint64 0; uint64 number of arrays, the arrays; uint64 number of
names, each a uint64 length and bytes. An array starts with a uint32 tag. 0xF993FAC8: uint32 ndim,
int64 sizes. 0xF993FAC9 and 0xF993FACA: int32 storage type (0 dense), int32 ndim, int64 sizes.
Anything else is the oldest form, where the tag itself is ndim and uint32 sizes follow. Then come
int32 device type, int32 device id, int32 value type and the raw values; an array without dimensions
(for 0xF993FACA: of ndim -1) ends after its sizes.
"""

import re
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

LIST_MAGIC = 0x112
DTYPES = {
    0: np.float32,
    1: np.float64,
    2: np.float16,
    3: np.uint8,
    4: np.int32,
    5: np.int8,
    6: np.int64,
    7: np.bool_,
}
PSA_RENAMES = dict(f8_3='projections.0', f8_4='projections.1', f8_5='projections.2', f9='fuse')
SEGMENTATION_RENAMES = dict(fc8_seg_conv1='decode_head.conv1', fc8_seg_conv2='decode_head.conv_seg')
NORM_NAMES = dict(gamma='weight', beta='bias', moving_mean='running_mean', moving_var='running_var')


class _Reader:
    """Cursor over the bytes of one file."""

    def __init__(self, path: str | Path) -> None:
        self.path = path
        self.data = Path(path).read_bytes()
        self.position = 0

    def take(self, count: int) -> bytes:
        chunk = self.data[self.position : self.position + count]
        if len(chunk) != count:
            raise ValueError(
                f'{self.path}: the file ends at byte {len(self.data)}, {self.position + count} '
                f'were expected'
            )
        self.position += count
        return chunk

    def numbers(self, code: str, count: int = 1) -> tuple[int, ...]:
        return struct.unpack(f'<{count}{code}', self.take(count * struct.calcsize(f'<{code}')))

    def array(self) -> np.ndarray | None:
        tag = self.numbers('I')[0]
        if tag == 0xF993FAC8:
            shape = self.numbers('q', self.numbers('I')[0])
        elif tag in (0xF993FAC9, 0xF993FACA):
            storage = self.numbers('i')[0]
            if storage != 0:
                raise ValueError(
                    f'{self.path}: array of sparse storage type {storage}, only dense arrays are '
                    f'supported'
                )
            ndim = self.numbers('i')[0]
            if ndim == -1 and tag == 0xF993FACA:
                return None
            shape = self.numbers('q', ndim)
            if ndim == 0 and tag == 0xF993FACA:
                return self._values(shape)
        else:
            if tag > 32:
                raise ValueError(
                    f'{self.path}: unknown array tag {tag:#x} at byte {self.position - 4}'
                )
            shape = self.numbers('I', tag)
        return self._values(shape) if shape else None

    def _values(self, shape: Sequence[int]) -> np.ndarray:
        _, _, kind = self.numbers('i', 3)  # device type and id do not matter
        if kind not in DTYPES:
            raise ValueError(f'{self.path}: unknown value type {kind} at byte {self.position - 4}')
        dtype = np.dtype(DTYPES[kind]).newbyteorder('<')
        size = int(np.prod(shape, dtype=np.int64))
        return (
            np.frombuffer(self.take(size * dtype.itemsize), dtype)
            .reshape(shape)
            .astype(DTYPES[kind])
        )


def read_mxnet_params(path: str | Path) -> dict[str, np.ndarray]:
    """Read an MXNet ``.params`` file.

    Args:
        path (str | Path): File.

    Returns:
        dict[str, np.ndarray]: Arrays by name, except for empty arrays. Names usually start with
        ``arg:`` or ``aux:``.

    Raises:
        ValueError: The file has another format, is truncated, or contains sparse arrays. The
            message names the file.
    """
    reader = _Reader(path)
    if len(reader.data) < 24 or reader.numbers('Q')[0] != LIST_MAGIC:
        raise ValueError(
            f'{path}: not an MXNet parameter file (it does not start with {LIST_MAGIC:#x})'
        )
    reader.numbers('Q')
    arrays = [reader.array() for _ in range(reader.numbers('Q')[0])]
    names = [reader.take(reader.numbers('Q')[0]).decode() for _ in range(reader.numbers('Q')[0])]
    if len(names) != len(arrays):
        raise ValueError(f'{path}: {len(arrays)} arrays but {len(names)} names')
    return {name: array for name, array in zip(names, arrays) if array is not None}


def mxnet_resnet38_name(name: str) -> str | None:
    """Name of a parameter of the MXNet ImageNet file in
    :class:`~mmwsss.models.backbones.WideResNet38`; None for its classifier.

    Raises:
        ValueError: The name does not belong to that network.
    """
    bare = re.sub(r'^(arg|aux):', '', name)
    if bare == 'conv1a_weight':
        return 'conv1a.weight'
    if bare.startswith('linear1000'):
        return None
    norm = re.fullmatch(r'bn7_(gamma|beta|moving_mean|moving_var)', bare)
    if norm:
        return f'bn7.{NORM_NAMES[norm[1]]}'
    parts = re.fullmatch(
        r'(res|bn)(\d)(?:a|b(\d+))_(branch\w+?)_(weight|gamma|beta|moving_mean|moving_var)', bare
    )
    if parts is None or (parts[1] == 'res') != (parts[5] == 'weight'):
        raise ValueError(f'{name!r} is not a parameter of ResNet38')
    kind, stage, index, branch, what = parts.groups()
    block = f'b{stage}_{index}' if index else f'b{stage}'
    return (
        f'{block}.conv_{branch}.weight'
        if kind == 'res'
        else f'{block}.bn_{branch}.{NORM_NAMES[what]}'
    )


def load_mxnet_resnet38(path: str | Path) -> dict[str, Tensor]:
    """State dict of :class:`~mmwsss.models.backbones.WideResNet38` from the MXNet ImageNet file."""
    renamed = {mxnet_resnet38_name(name): array for name, array in read_mxnet_params(path).items()}
    state = {name: torch.from_numpy(array) for name, array in renamed.items() if name is not None}
    # PyTorch stores a counter in addition to the statistics
    for name in [name for name in state if name.endswith('running_var')]:
        state[name.replace('running_var', 'num_batches_tracked')] = torch.tensor(0)
    return state


def translate_psa_keys(state: dict[str, Any]) -> dict[str, Any]:
    """Names of :class:`~mmwsss.models.affinity.AffinityNet` for released PSA, SEAM and MCTformer
    affinity weights (``resnet38_aff.pth``).

    Args:
        state (dict): Weights by the released names.

    Returns:
        dict: ``f8_3``, ``f8_4``, ``f8_5`` become ``projections.0`` to ``.2``, ``f9`` becomes
            ``fuse``, the rest ``backbone.*``.
    """
    return _translate(state, PSA_RENAMES)


def translate_mctformer_segmentation_keys(state: dict[str, Any]) -> dict[str, Any]:
    """Names of a segmentor with ``WideResNet38`` and ``DeepLabV1Head`` for the weights that
    MCTformer's segmentation stage releases.

    Args:
        state (dict): Weights by the released names.

    Returns:
        dict: ``fc8_seg_conv1`` becomes ``decode_head.conv1``, ``fc8_seg_conv2``
            ``decode_head.conv_seg``, the rest ``backbone.*``.
    """
    return _translate(state, SEGMENTATION_RENAMES)


def release_psa_keys(state: dict[str, Tensor]) -> tuple[dict[str, Tensor], list[str]]:
    """Released names for the weights of :class:`~mmwsss.models.affinity.AffinityNet`; the inverse
    of :func:`translate_psa_keys`.

    Returns:
        tuple[dict, list[str]]: New state dict, and the names that were left out.
    """
    return _release(state, PSA_RENAMES)


def release_mctformer_segmentation_keys(
    state: dict[str, Tensor],
) -> tuple[dict[str, Tensor], list[str]]:
    """The inverse of :func:`translate_mctformer_segmentation_keys`.

    Returns:
        tuple[dict, list[str]]: New state dict, and the names that were left out.
    """
    return _release(state, SEGMENTATION_RENAMES)


def _release(
    state: dict[str, Tensor], renames: dict[str, str]
) -> tuple[dict[str, Tensor], list[str]]:
    released, unused = {}, []
    inverse = {ours: theirs for theirs, ours in renames.items()}
    for name, value in state.items():
        module, _, tail = name.rpartition('.')
        if module in inverse:
            released[f'{inverse[module]}.{tail}'] = value
        elif name.startswith('backbone.'):
            released[name.removeprefix('backbone.')] = value
        else:
            unused.append(name)
    return released, unused


def _translate(state: dict[str, Any], renames: dict[str, str]) -> dict[str, Any]:
    translated = {}
    for name, value in state.items():
        head, _, tail = name.removeprefix('module.').partition('.')
        if head != 'fc8':  # classifier of the initial weights
            translated[f'{renames.get(head, f"backbone.{head}")}.{tail}'] = value
    return translated
