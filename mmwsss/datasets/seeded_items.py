"""Items of a data set whose random changes depend on their place in the run."""

from collections.abc import Sequence
from typing import Any

from mmengine.dataset import ConcatDataset

from mmwsss.utils.seeding import seed_all


class SeededIndex(int):
    """Index of an item with ``entropy``, numbers that its random changes are drawn from."""

    entropy: Sequence[int]


class SeededItems:
    """Base, before a :class:`mmengine.dataset.BaseDataset`, of data sets that
    :class:`SeededInfiniteSampler` can seed.

    Attributes:
        epoch_entropy: Numbers of the present epoch, from which, with its index, an item is seeded;
            None: it is not (:func:`seed_items`).
        raw_pixels: Images are read without their EXIF orientation.
        max_side: Longest allowed side in pixels; larger images are downscaled. None: no limit.
    """

    epoch_entropy: tuple[int, ...] | None = None
    raw_pixels: bool = False
    max_side: int | None = None
    pipeline: Any
    get_data_info: Any

    def prepare_data(self, idx: SeededIndex | int) -> dict[str, Any]:
        """Item ``idx`` after the pipeline; no other item ever takes the place of one that fails.

        Raises:
            ValueError: The pipeline returned nothing. The message names the image.
            RuntimeError: A transform failed in a way that names no file. The message names the
                image.
        """
        seed_item(idx, self.epoch_entropy)
        info = self.get_data_info(idx)
        path = info['img_path']
        if self.raw_pixels:
            info['raw_pixels'] = True
        if self.max_side is not None:
            info['max_side'] = self.max_side
        try:
            data = self.pipeline(info)
        except (ValueError, OSError):
            raise  # they say what is wrong with which file
        except Exception as error:
            raise RuntimeError(f'{path}: {type(error).__name__}: {error}') from error
        if data is None:
            raise ValueError(f'{path}: a transform of the pipeline dropped this image')
        return data


def seed_item(index: int, entropy: tuple[int, ...] | None = None) -> None:
    """Seed Python, NumPy and PyTorch for an item of :class:`SeededInfiniteSampler`, or for item
    ``index`` of an epoch with the numbers ``entropy``; do nothing without either.
    """
    if isinstance(index, SeededIndex):
        seed_all(index.entropy)
    elif entropy is not None:
        seed_all((*entropy, int(index)))


def seed_items(dataset: Any, entropy: tuple[int, ...]) -> None:
    """Let the items of a data set of mmwsss, or of several in a ``ConcatDataset``, be seeded from
    ``entropy`` and their index; leave other data sets alone.
    """
    if isinstance(dataset, SeededItems):
        dataset.epoch_entropy = tuple(entropy)
    elif isinstance(dataset, ConcatDataset):
        for number, part in enumerate(dataset.datasets):
            seed_items(part, (*entropy, number))
