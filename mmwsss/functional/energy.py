"""Dense energy of soft segmentations: neighbours of similar colour should carry the same label.

Source: Tang et al., "On Regularized Losses for Weakly-supervised CNN Segmentation" (ECCV 2018),
gated as in Zhang et al., "Reliability Does Matter" (AAAI 2020); used by ToCo, MCC and CoSA.
"""

from typing import Any

import torch
from torch import Tensor

from mmwsss.functional.crf import bilateral_features
from mmwsss.functional.gaussian_filter import gaussian_filter
from mmwsss.functional.permutohedral import build_lattice, filter_lattice


class _DenseEnergy(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        scores: Tensor,
        gate: Tensor,
        images: Tensor,
        sigma_rgb: float,
        sigma_xy: float,
        kernel: str,
        block: int | None,
    ) -> Tensor:
        # one lattice for all images launches only as many operations as the lattice of one image,
        # which matters on an accelerator; on a CPU the lattice of a single image fits in the caches
        together = kernel == 'lattice' and scores.device.type != 'cpu'
        gated = torch.empty_like(scores)
        step = max(1, len(scores)) if together else 1
        for score, image, target in zip(scores.split(step), images.split(step), gated.split(step)):
            features = bilateral_features(image.permute(0, 2, 3, 1), sigma_xy, sigma_rgb)
            values = score.movedim(1, -1).flatten(0, 2)
            if kernel == 'lattice':
                filtered = filter_lattice(build_lattice(features), values)
            else:
                filtered = gaussian_filter(features[0], values, block)
            target.copy_(filtered.view(score.movedim(1, -1).shape).movedim(-1, 1))
        gated.mul_(gate[:, None])
        ctx.save_for_backward(gated)
        return -(scores * gated).sum() / max(1, len(scores))

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        (gated,) = ctx.saved_tensors
        return gated * (-2 * grad / max(1, len(gated))), None, None, None, None, None, None


def dense_energy(
    scores: Tensor,
    gate: Tensor,
    images: Tensor,
    *,
    sigma_rgb: float,
    sigma_xy: float,
    kernel: str = 'exact',
    block: int | None = None,
) -> Tensor:
    """``-1/B sum_k sum_i G_i S_ki (W S_k)_i`` with ``W_ij = exp(-|f_i - f_j|^2 / 2)``, i = j
    included; never positive.

    Its gradient is defined as ``-2/B G_i (W S_k)_i``: the gate is a constant, and its effect on the
    transposed term is left out. The released training code does the same; it is not the derivative
    of the value unless the gate is uniform.

    Args:
        scores (Tensor): S, (B,K,h,w) float32 probabilities, 0 outside the image.
        gate (Tensor): G, (B,h,w) in [0,1].
        images (Tensor): (B,3,h,w) RGB in 0..255.
        sigma_rgb (float): Standard deviation in grey levels.
        sigma_xy (float): Standard deviation in pixels of (h,w).
        kernel (str): ``'exact'`` sums over all pairs of pixels, ``'lattice'`` filters on the
            permutohedral lattice in linear time.
        block (int, optional): See :func:`mmwsss.functional.gaussian_filter.gaussian_filter`.

    Returns:
        Tensor: Scalar.
    """
    if kernel not in ('exact', 'lattice'):
        raise ValueError(f"kernel must be 'exact' or 'lattice', got {kernel!r}")
    return _DenseEnergy.apply(
        scores, gate, images, float(sigma_rgb), float(sigma_xy), kernel, block
    )


@torch.no_grad()
def reliability_gate(
    probs: Tensor, inside: Tensor, labels: Tensor, ignore_index: int = 255
) -> Tensor:
    """Weight of the energy at each pixel: 1 where it has no label, else ``1 - max_k p_k`` inside
    the image and 0 outside.

    Args:
        probs (Tensor): (B,K,h,w).
        inside (Tensor): (B,h,w) bool, image or padding.
        labels (Tensor): (B,h,w) integers.
        ignore_index (int): Label of unlabelled pixels (padding has it too, with scores of 0).

    Returns:
        Tensor: (B,h,w) in [0,1].
    """
    gate = (inside.to(probs.dtype) - probs.amax(1)).clamp_(min=0)
    return gate.masked_fill_(labels == ignore_index, 1)
