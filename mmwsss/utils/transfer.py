"""Tensors from the host to an accelerator without waiting for it."""

from collections.abc import Sequence

import torch
from torch import Tensor


def send(tensor: Tensor, device: torch.device | str) -> Tensor:
    """A tensor of the host on ``device``, without waiting for what the device is doing.

    A plain ``to(device)`` or ``torch.tensor(..., device=)`` waits until the device has finished
    everything before the copy. Here the copy comes from pinned memory, whose pages PyTorch keeps
    until the device has read them.

    Args:
        tensor (Tensor): Of any device; what is on ``device`` already is returned as it is.
        device (torch.device | str): Target.

    Returns:
        Tensor: Same shape and dtype.
    """
    device = torch.device(device)
    if tensor.device == device:
        return tensor
    if device.type == 'cpu':  # the values must be there before they are read
        return tensor.to(device)
    if device.type == 'cuda' and tensor.device.type == 'cpu' and not tensor.is_pinned():
        tensor = tensor.pin_memory()
    return tensor.to(device, non_blocking=True)


def select(tensor: Tensor, indices: Sequence[int], dim: int = 0) -> Tensor:
    """``tensor`` at ``indices`` (numbers of Python) along a dimension, without waiting.

    Indexing with a list would copy it to the device and wait. Consecutive indices give a view.

    Args:
        tensor (Tensor): Any shape.
        indices (Sequence[int]): K positions, not negative.
        dim (int): Dimension that becomes K.
    """
    indices = [int(index) for index in indices]
    first = indices[0] if indices else 0
    if indices == list(range(first, first + len(indices))):
        return tensor.narrow(dim, first, len(indices))
    return tensor.index_select(dim, send(torch.tensor(indices), tensor.device))
