"""A photo with maps of two classes, for every refiner."""

import torch


def photo(size=(24, 32)):
    """Image (3,H,W) uint8 RGB of two halves, maps (2,H,W) that are noisy versions of them, and
    their tags.
    """
    generator = torch.Generator().manual_seed(0)
    left = torch.zeros(size)
    left[:, : size[1] // 2] = 1
    image = torch.stack([200 * left, 60 * left + 90, 150 * (1 - left)]).byte()
    noise = 0.3 * torch.rand(2, *size, generator=generator)
    return image, torch.stack([0.7 * left, 0.7 * (1 - left)]) + noise, torch.tensor([2, 5])


def batch():
    """Two images of different sizes, the second without a class, as :meth:`Refiner.refine` takes
    them.
    """
    image, maps, tags = photo()
    return (
        [image, torch.zeros(3, 20, 30, dtype=torch.uint8)],
        [maps, maps[:0]],
        [tags, tags[:0]],
        [(24, 32), (20, 30)],
    )


def check_contract(refiner):
    """Shapes, type, the background plane first, and labels of the data set."""
    images, cams, tags, sizes = batch()
    first, second = refiner.refine(images, cams, tags, sizes)
    assert first.shape == (3, 24, 32) and second.shape == (1, 20, 30)
    assert first.dtype == second.dtype == torch.float32
    labels, empty = refiner.labels(images, cams, tags, sizes)
    assert labels.shape == (24, 32) and set(labels.unique().tolist()) <= {0, 3, 6, 255}
    assert empty.shape == (20, 30) and not empty.any()
    return first, labels
