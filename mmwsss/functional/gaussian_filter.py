"""Gaussian filtering of scattered points by summing over all pairs: exact, quadratic in their
number, bounded memory.

``y_i = sum_j exp(-|f_i - f_j|^2 / 2) v_j``, the point itself included.
:mod:`mmwsss.functional.permutohedral` approximates it in linear time.
"""

import torch
from torch import Tensor


@torch.no_grad()
def gaussian_filter(features: Tensor, values: Tensor, block: int | None = None) -> Tensor:
    """Exact Gaussian filter.

    The kernel is symmetric: each block of it is computed once and serves both of its halves. Cost
    N^2/2 exponentials and 2KN^2 multiplications; 50,176 points (224 x 224) take seconds on a CPU
    and milliseconds on a GPU, 187,500 points (375 x 500) are for GPUs.

    Args:
        features (Tensor): (N,d), divided by the standard deviations of the Gaussian.
        values (Tensor): (N,K).
        block (int, optional): Points of one side of a block; memory is a few times its square.
            Default 1024 on the CPU, 8192 elsewhere.

    Returns:
        Tensor: (N,K), in the dtype of the features (float32 for half precision).
    """
    dtype = torch.promote_types(features.dtype, torch.float32)
    features = features.to(dtype)
    block = block or (1024 if features.device.type == 'cpu' else 8192)
    with torch.autocast(features.device.type, enabled=False):
        parts, sources = features.split(block), values.to(dtype).split(block)
        sums = [torch.zeros_like(source) for source in sources]
        for i in range(len(parts)):
            for j in range(i + 1):
                kernel = _kernel(parts[i], parts[j])
                sums[i].addmm_(kernel, sources[j])
                if j < i:
                    sums[j].addmm_(kernel.t(), sources[i])
    return torch.cat(sums) if sums else values.new_zeros(values.shape, dtype=dtype)


def _kernel(a: Tensor, b: Tensor) -> Tensor:
    """``exp(-|a_i - b_j|^2 / 2)`` from coordinate differences: the expanded square loses all digits
    where features are large.
    """
    distance = (a[:, None, 0] - b[:, 0]).square_()
    for dim in range(1, a.shape[1]):
        difference = a[:, None, dim] - b[:, dim]
        distance.addcmul_(difference, difference)
    return distance.mul_(-0.5).exp_()
