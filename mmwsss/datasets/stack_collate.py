"""Collation of batches whose images are one block of memory."""

from collections.abc import Sequence
from typing import Any

import torch
from mmengine.dataset import pseudo_collate
from torch import Tensor

from mmwsss.registry import FUNCTIONS


@FUNCTIONS.register_module()
def stack_collate(items: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """:func:`mmengine.dataset.pseudo_collate` that stacks the images of a view in the worker
    process if all have the same size, so that one block is pinned and sent instead of B.

    Args:
        items (Sequence[dict]): ``inputs``: a tensor (3,H,W), or a list of V such views;
            ``data_samples``.

    Returns:
        dict: ``inputs``: (B,3,H,W), or a list of V such tensors; lists of B tensors where sizes
        differ. ``data_samples``: list of B samples.
    """
    data = pseudo_collate(items)
    inputs = data['inputs']
    if isinstance(inputs[0], Tensor):
        data['inputs'] = _stack(inputs)
    else:
        data['inputs'] = [_stack(view) for view in inputs]
    return data


def _stack(images: Sequence[Tensor]) -> Tensor | list[Tensor]:
    if len({image.shape for image in images}) > 1:
        return list(images)
    return torch.stack(tuple(images))
