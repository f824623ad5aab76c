"""Asynchronous transfer of tensors from the host to an accelerator."""

from collections.abc import Sequence

import torch
from torch import Tensor


def send(tensor: Tensor, device: torch.device | str) -> Tensor:
    """Copy a tensor of the host to ``device`` without waiting for the device.

    A plain ``to(device)`` or ``torch.tensor(..., device=)`` waits until the device has finished
    everything before the copy. Here the copy is made from pinned memory, which PyTorch keeps until
    the device has read it.

    Args:
        tensor (Tensor): Tensor on any device; one that is already on ``device`` is returned
            unchanged.
        device (torch.device | str): Target.

    Returns:
        Tensor: Same shape and dtype.
    """
    device = torch.device(device)
    if tensor.device == device:
        return tensor
    if device.type == 'cpu':  # the values must have arrived before they are read
        return tensor.to(device)
    if device.type == 'cuda' and tensor.device.type == 'cpu' and not tensor.is_pinned():
        tensor = tensor.pin_memory()
    return tensor.to(device, non_blocking=True)


def select(tensor: Tensor, indices: Sequence[int], dim: int = 0) -> Tensor:
    """Select ``indices`` (Python integers) along a dimension without synchronisation.

    Indexing with a list would copy it to the device and synchronise. Consecutive indices give a
    view.

    Args:
        tensor (Tensor): Tensor of any shape.
        indices (Sequence[int]): K positions, not negative.
        dim (int): Dimension of the selection, which gets the size K.
    """
    indices = [int(index) for index in indices]
    first = indices[0] if indices else 0
    if indices == list(range(first, first + len(indices))):
        return tensor.narrow(dim, first, len(indices))
    return tensor.index_select(dim, send(torch.tensor(indices), tensor.device))
