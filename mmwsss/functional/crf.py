"""Mean-field inference in a dense CRF with a smoothness and an appearance kernel, in plain PyTorch,
on any device.

Source: Kraehenbuehl and Koltun, "Efficient Inference in Fully Connected CRFs with Gaussian Edge
Potentials" (NIPS 2011), with the conventions of pydensecrf: symmetric normalisation of the kernels,
message of a pixel to itself included, Potts compatibility.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from mmwsss.functional.gaussian_filter import gaussian_filter
from mmwsss.functional.permutohedral import build_lattice, filter_lattice

MIN_PROB = 1e-5


def background_alpha(cams: Tensor, alpha: float) -> Tensor:
    """Stack the background score ``(1 - max_k cam_k)^alpha`` on top of the maps (PSA; low alpha is
    strong background).

    Args:
        cams (Tensor): (K,H,W) in [0,1], present classes; K may be 0 (background 1 everywhere).
        alpha (float): Exponent, for example 1 and 12 (MCTformer), 4 and 32 (PSA).

    Returns:
        Tensor: (K+1,H,W), not normalised to 1.
    """
    best = cams.amax(0, keepdim=True) if len(cams) else cams.new_zeros(1, *cams.shape[1:])
    return torch.cat([(1 - best) ** alpha, cams])


def label_probabilities(labels: Tensor, num_labels: int, gt_prob: float = 0.7) -> Tensor:
    """Soft version of a hard label map (IRN): ``gt_prob`` for the label of a pixel, and the rest is
    shared equally by the other labels.

    Args:
        labels (Tensor): (H,W) integers in 0..num_labels-1.
        num_labels (int): K.
        gt_prob (float): In (0,1).

    Returns:
        Tensor: (K,H,W) float32.

    Raises:
        ValueError: A label or ``gt_prob`` out of range. The message names the value.
    """
    labels = labels.long()
    if not 0 < gt_prob < 1:
        raise ValueError(f'gt_prob must lie between 0 and 1, got {gt_prob}')
    if labels.numel() and not 0 <= int(labels.min()) <= int(labels.max()) < num_labels:
        raise ValueError(
            f'labels must lie in 0..{num_labels - 1}, got {int(labels.min())}..{int(labels.max())}'
        )
    others = (1 - gt_prob) / max(1, num_labels - 1)
    probs = torch.full((num_labels, *labels.shape), others, device=labels.device)
    return probs.scatter_(0, labels[None], gt_prob)


def unary_energy(probs: Tensor) -> Tensor:
    """``-log`` of probabilities clipped to [1e-5, 1], same shape."""
    return -probs.float().clamp(MIN_PROB, 1).log()


def gaussian_features(
    size: Sequence[int], sxy: float, *, device: torch.device | None = None
) -> Tensor:
    """Positions in standard deviations, (H*W,2) x and y."""
    y, x = torch.meshgrid(
        torch.arange(size[0], dtype=torch.float32, device=device),
        torch.arange(size[1], dtype=torch.float32, device=device),
        indexing='ij',
    )
    return torch.stack([x.flatten(), y.flatten()], 1) / sxy


def bilateral_features(image: Tensor, sxy: float, srgb: float) -> Tensor:
    """Positions and colours in standard deviations, (...,H*W,5), of images (...,H,W,3) in
    0..255.
    """
    colors = image.to(torch.promote_types(image.dtype, torch.float32)).flatten(-3, -2) / srgb
    positions = gaussian_features(image.shape[-3:-1], sxy, device=image.device)
    return torch.cat([positions.expand(*colors.shape[:-1], 2), colors], -1)


def pairwise_kernels(
    image: Tensor,
    gauss: tuple[float, int],
    bilateral: tuple[float, float, int],
    *,
    exact: bool = False,
) -> list[tuple[int, Callable[..., Any]]]:
    """The two normalised kernels of an image, which can be reused for any number of unaries.

    Args:
        image (Tensor): (H,W,3) RGB in 0..255; or (B,H,W,3), for the unaries of B images at once.
        gauss (tuple): (sxy, compat) of the smoothness kernel, pixels and weight.
        bilateral (tuple): (sxy, srgb, compat) of the appearance kernel.
        exact (bool): Sum over all pairs of pixels instead of filtering on the permutohedral
            lattice. The cost is quadratic: use it for small images or on a GPU (375 x 500 pixels:
            3.5e10 pairs for each of the iterations), one image at a time. The lattice is what
            pydensecrf uses: labels agree to the pixel, while exact sums change about 0.2 % of them.

    Returns:
        list[tuple]: Pairs (compat, function (N,K) -> (N,K)), N = H*W, or B*H*W.
    """
    positions = gaussian_features(image.shape[-3:-1], gauss[0], device=image.device)
    smoothness = _normalized_filter(positions, exact)
    if image.dim() == 4:
        smoothness = _for_each_image(smoothness, len(image))
    appearance = _normalized_filter(bilateral_features(image, *bilateral[:2]), exact)
    return [(gauss[1], smoothness), (bilateral[2], appearance)]


def _for_each_image(convolve: Callable[..., Any], images: int) -> Callable[..., Any]:
    """Turn a filter of N points into one for several images, whose values become channels."""

    def together(values: Tensor) -> Tensor:
        channels = values.shape[1]
        side_by_side = values.view(images, -1, channels).transpose(0, 1).flatten(1)
        filtered = convolve(side_by_side).unflatten(1, (images, channels))
        return filtered.transpose(0, 1).reshape(values.shape)

    return together


def _normalized_filter(features: Tensor, exact: bool) -> Callable[..., Any]:
    """``D^-1/2 K D^-1/2`` with D the row sums of K."""
    if exact:

        def convolve(values: Tensor) -> Tensor:
            return gaussian_filter(features, values)
    else:
        lattice = build_lattice(features)

        def convolve(values: Tensor) -> Tensor:
            return filter_lattice(lattice, values)

    num_points = features.shape[:-1].numel()
    scale = convolve(features.new_ones(num_points, 1)).add_(1e-20).rsqrt_()
    return lambda values: convolve(values * scale) * scale


@torch.no_grad()
def mean_field(unary: Tensor, kernels: list[tuple], num_iters: int) -> Tensor:
    """Mean-field inference: ``Q <- softmax(-U + sum compat * K Q)`` from ``Q = softmax(-U)``.

    Args:
        unary (Tensor): (K,H,W) energies; or (B,K,H,W), of B images of the same size. The energy of
            a label that an image does not have is infinite.
        kernels (list[tuple]): Kernels from :func:`pairwise_kernels`.
        num_iters (int): Number of iterations.

    Returns:
        Tensor: Float32 marginals of the shape of ``unary``.
    """
    labels_last = unary.movedim(-3, -1)
    logits = -labels_last.float().flatten(0, -2)
    marginals = logits.softmax(1)
    for _ in range(num_iters):
        messages = logits.clone()
        for compat, convolve in kernels:
            messages += compat * convolve(marginals)
        marginals = messages.softmax(1)
    return marginals.view(labels_last.shape).movedim(-1, -3).contiguous()
