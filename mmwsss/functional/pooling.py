"""Global poolings of patch class maps: average, maximum and weighted ranking."""

from functools import lru_cache

import torch
from torch import Tensor

from mmwsss.utils.transfer import send

from .precision import at_least_float32


def global_average_pool(maps: Tensor) -> Tensor:
    """(B,C,h,w) -> (B,C)."""
    return maps.flatten(2).mean(-1)


def global_max_pool(maps: Tensor) -> Tensor:
    """(B,C,h,w) -> (B,C)."""
    return maps.flatten(2).amax(-1)


def global_weighted_ranking_pool(maps: Tensor, decay: float = 0.996) -> Tensor:
    """Global weighted ranking pooling (GWRP), MCTformer+ Eq. 8.

    The values of each class are sorted in descending order and averaged with weights ``decay **
    rank``. ``decay=1`` is average pooling, ``decay -> 0`` maximum pooling. Sorting and sum run in
    float32; gradients flow through the values.

    Args:
        maps (Tensor): (B,C,h,w) raw class maps.
        decay (float): In (0,1].

    Returns:
        Tensor: (B,C).
    """
    values = at_least_float32(maps.flatten(2)).sort(dim=-1, descending=True).values
    # a product of matrices would run in half precision under autocast
    return (values * _ranking_weights(values.shape[-1], float(decay), values.device)).sum(-1)


@lru_cache(maxsize=64)
def _ranking_weights(num_values: int, decay: float, device: torch.device) -> Tensor:
    # usable in training even if the first call ran in inference mode
    with torch.inference_mode(False):
        weights = decay ** torch.arange(num_values, dtype=torch.float64)
        return send((weights / weights.sum()).float(), device)
