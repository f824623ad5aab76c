"""Memory and time of the maps of some photos, estimated from the sizes in their headers.

Attention between all pairs of N tokens needs memory and time that grow with N^2, i.e. with the
fourth power of a photo's side. The factors below were fitted to MCTformer+ (DeiT-S, three scales
with flips, refined) on a CPU with photos of 640x480, 1024x768 and 1600x1200: measured 0.3, 0.95 and
4.0 GiB, 11, 57 and 309 s; the estimate gives 0.25, 0.9 and 4.0 GiB, 10, 56 and 308 s.
"""

import time
from collections.abc import Sequence
from typing import NamedTuple

import torch
from mmengine.dataset import BaseDataset

from mmwsss.models.algorithms.base import TagClassifier
from mmwsss.utils.image_io import open_image, shown_size
from mmwsss.utils.memory import available_memory

MOST_READ = 20_000  # headers that are read; of more photos an even selection is used
PAIR_MATRICES = 2.87  # (N,N) float32 matrices at the same time, per view
TOKEN_VECTORS = 33  # (N,D) float32 arrays at the same time, per view
PAIR_SLOWNESS = 3.7  # time of an operation on pairs of tokens relative to one of a matrix product
SUGGESTED_SIDE = 1024  # pixels


class Cost(NamedTuple):
    """Cost of maps.

    Attributes:
        bytes: Peak memory for the largest photo.
        seconds: Time for all photos.
    """

    bytes: float
    seconds: float


class Views(NamedTuple):
    """Views that a network processes for a photo.

    Attributes:
        scales: Factors of the photo's sides.
        flip: Whether each scale is flipped too, in the same batch.
        pairs: Whether matrices of all pairs of tokens are kept for the refinement.
    """

    scales: tuple[float, ...]
    flip: bool
    pairs: bool


def photo_sizes(dataset: BaseDataset) -> dict[str, tuple[int, int]]:
    """(H,W) of the images of a data set of mmwsss by file, as its pipeline receives them;
    unreadable images are left out, because the pipeline reports them.
    """
    step, sizes = -(-len(dataset) // MOST_READ), {}
    for index in range(0, len(dataset), max(1, step)):
        path = dataset.get_data_info(index)['img_path']
        try:
            with open_image(path) as image:
                raw = getattr(dataset, 'raw_pixels', False)
                size = (image.height, image.width) if raw else shown_size(image)
        except (OSError, ValueError):
            continue
        sizes[path] = _shrunk(size, getattr(dataset, 'max_side', None))
    return sizes


def views_of(model: TagClassifier, pipeline: Sequence[dict]) -> Views:
    """Scales, flips and type of the maps of a model with the test pipeline of its config."""
    options = model.test_cfg
    scales = options.get('scales') or next(
        (
            step.get('scales', (1.0, 0.75, 1.25))
            for step in pipeline
            if step['type'].endswith('MultiScaleViews')
        ),
        (1.0,),
    )
    return Views(tuple(scales), bool(options.get('flip')), bool(options.get('refine')))


def estimate(
    model: TagClassifier, sizes: Sequence[tuple[int, int]], views: Views, rate: float | None = None
) -> Cost | None:
    """Memory and time of the maps of photos of ``sizes`` (H,W); None for networks without tokens.

    Args:
        model: :class:`TagClassifier`.
        sizes: Sizes of the photos.
        views: Views from :func:`views_of`.
        rate: Operations per second of the device; default: measured.
    """
    backbone = model.backbone
    dims, layers = getattr(backbone, 'embed_dims', None), getattr(backbone, 'num_layers', None)
    patch = getattr(backbone, 'patch_size', None)
    if not (sizes and dims and layers and patch):
        return None
    rate = matmul_rate(next(model.parameters()).device) if rate is None else rate
    batch, peak, operations = 1 + views.flip, 0.0, 0.0
    for height, width in sizes:
        for scale in views.scales:
            tokens = (height * scale // patch) * (width * scale // patch)
            # multiplications and additions of a layer: 24 N D^2 of its projections and its MLP,
            # and 4 N^2 D of the attention, which runs at a lower rate
            pairs = 4 * tokens * tokens * dims
            operations += batch * layers * (24 * tokens * dims**2 + PAIR_SLOWNESS * pairs)
            matrices = PAIR_MATRICES * tokens * tokens if views.pairs else 0
            # four bytes per number; the largest view determines the peak
            peak = max(peak, batch * 4 * (matrices + TOKEN_VECTORS * tokens * dims))
    return Cost(peak, operations / rate)


def matmul_rate(device: torch.device, size: int = 512) -> float:
    """Operations per second of a float32 matrix product on a device, the best of five."""
    matrix, seconds = torch.ones(size, size, device=device), []
    for _ in range(6):
        began = time.perf_counter()
        (matrix @ matrix)[0, 0].item()
        seconds.append(time.perf_counter() - began)
    return 2 * size**3 / min(seconds[1:])


def describe(
    model: TagClassifier,
    sizes: dict[str, tuple[int, int]],
    views: Views,
    option: str = '--max-side',
) -> str:
    """One line about memory and time of photos, and the option that lowers both.

    Args:
        model: :class:`TagClassifier`.
        sizes: (H,W) by file, from :func:`photo_sizes`.
        views: Views from :func:`views_of`.
        option: Option that sets ``max_side``, for the message.

    Returns:
        The line, empty if nothing can be estimated.

    Raises:
        ValueError: The largest photo needs far more memory than the machine has. The message names
            it.
    """
    device = next(model.parameters()).device
    rate = matmul_rate(device)
    cost = estimate(model, list(sizes.values()), views, rate)
    if cost is None:
        return ''
    path, (height, width) = max(sizes.items(), key=lambda item: item[1][0] * item[1][1])
    text = (
        f'estimate: {len(sizes)} photos, the largest {path} ({width}x{height}): about '
        f'{_memory(cost.bytes)} of memory and {_duration(cost.seconds)}'
    )
    if max(height, width) > SUGGESTED_SIDE:
        small = [_shrunk(size, SUGGESTED_SIDE) for size in sizes.values()]
        less = estimate(model, small, views, rate) or cost
        text += (
            f'; {option} {SUGGESTED_SIDE} needs about {_memory(less.bytes)} and '
            f'{_duration(less.seconds)} (maps are scaled back to the photos)'
        )
    if cost.bytes > 1.5 * available_memory(device):
        raise ValueError(
            f'{text}. There are {_memory(available_memory(device))} free on {device}: give {option}'
        )
    return text


def _shrunk(size: tuple[int, int], max_side: int | None) -> tuple[int, int]:
    factor = 1.0 if max_side is None else min(1.0, max_side / max(size))
    return max(1, round(size[0] * factor)), max(1, round(size[1] * factor))


def _memory(size: float) -> str:
    return f'{size / 2**30:.1f} GiB'


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f'{seconds:.0f} s'
    return f'{seconds / 60:.0f} min' if seconds < 5400 else f'{seconds / 3600:.1f} h'
