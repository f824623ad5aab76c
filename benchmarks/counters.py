"""What a computation asks of a machine: operations of its products, bytes that its operations read
and write, and how much of each the machine can do per second.
"""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from mmwsss.apis.profiling import matmul_peak, median_time

COPIED = {'cpu': 1 << 26, 'cuda': 1 << 30}  # bytes: far beyond the caches


class Traffic(TorchDispatchMode):
    """Context that adds up the bytes that operations take and give: what passes through memory
    where nothing stays in caches and no kernels are fused.

    Attributes:
        total (int): Bytes. Views, which move nothing, are left out.
    """

    def __init__(self) -> None:
        super().__init__()
        self.total = 0

    def __torch_dispatch__(
        self, func: Any, types: Iterable, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        if not func.is_view:
            leaves = tree_leaves((args, kwargs, result))
            self.total += sum(_bytes(leaf) for leaf in leaves if isinstance(leaf, Tensor))
        return result


def _bytes(tensor: Tensor) -> int:
    if tensor.layout == torch.strided:
        # an expanded tensor is no larger than what it is made of
        return min(tensor.numel() * tensor.element_size(), tensor.untyped_storage().nbytes())
    if tensor.layout == torch.sparse_csr:
        parts = (tensor.crow_indices(), tensor.col_indices(), tensor.values())
        return sum(_bytes(part) for part in parts)
    return 0


def bandwidth_peak(device: torch.device) -> float:
    """Bytes per second, read and written, of a copy that is larger than the caches."""
    source = torch.zeros(COPIED.get(device.type, COPIED['cpu']), dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    return 2 * source.numel() / median_time(lambda: target.copy_(source), device, rounds=7)


def shares_of_peaks(
    call: Callable[[], Any], seconds: float, device: torch.device
) -> dict[str, float]:
    """Shares of the peaks of a device that a call of so many seconds reaches in float32.

    Args:
        call (Callable): Is called twice.
        seconds (float): What a call takes.
        device (torch.device): Where it computes.

    Returns:
        dict: ``matmul_share``: operations of products and convolutions, of those of a large product
        of matrices; ``bandwidth_share``: bytes of :class:`Traffic`, of those of a large copy. What
        stays in caches counts too, so that a share above 1 is possible.
    """
    with FlopCounterMode(display=False) as counter:
        call()
    with Traffic() as traffic:
        call()
    return dict(
        matmul_share=counter.get_total_flops() / seconds / matmul_peak(device, torch.float32),
        bandwidth_share=traffic.total / seconds / bandwidth_peak(device),
    )
