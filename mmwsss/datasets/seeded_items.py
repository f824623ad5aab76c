"""Data set items whose augmentations depend on their position in the run."""

from collections.abc import Sequence
from typing import Any

from mmengine.dataset import ConcatDataset

from mmwsss.utils.seeding import seed_all


class SeededIndex(int):
    """Index of an item with ``entropy``, the numbers that seed its augmentations."""

    entropy: Sequence[int]


class SeededItems:
    """Mixin, to be listed before a :class:`mmengine.dataset.BaseDataset`, of data sets that
    :class:`SeededInfiniteSampler` can seed.

    Attributes:
        epoch_entropy: Numbers of the current epoch, which seed an item together with its index;
            None: items are not seeded (:func:`seed_items`).
        raw_pixels: Images are read without their EXIF orientation.
        max_side: Longest allowed side in pixels; larger images are downscaled. None: no limit.
    """

    epoch_entropy: tuple[int, ...] | None = None
    raw_pixels: bool = False
    max_side: int | None = None
    pipeline: Any
    get_data_info: Any

    def prepare_data(self, idx: SeededIndex | int) -> dict[str, Any]:
        """Item ``idx`` after the pipeline; an item that fails is never replaced by another one.

        Raises:
            ValueError: The pipeline returned nothing. The message names the image.
            RuntimeError: A transform failed with a message that does not name a file. The message
                names the image.
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
            raise  # these errors name the file
        except Exception as error:
            raise RuntimeError(f'{path}: {type(error).__name__}: {error}') from error
        if data is None:
            raise ValueError(f'{path}: a transform of the pipeline dropped this image')
        return data


def seed_item(index: int, entropy: tuple[int, ...] | None = None) -> None:
    """Seed Python, NumPy and PyTorch for an item of :class:`SeededInfiniteSampler`, or for item
    ``index`` of an epoch with the numbers ``entropy``; without either, nothing is seeded.
    """
    if isinstance(index, SeededIndex):
        seed_all(index.entropy)
    elif entropy is not None:
        seed_all((*entropy, int(index)))


def seed_items(dataset: Any, entropy: tuple[int, ...]) -> None:
    """Seed the items of a data set of mmwsss, or of several in a ``ConcatDataset``, from
    ``entropy`` and their index; other data sets are not changed.
    """
    if isinstance(dataset, SeededItems):
        dataset.epoch_entropy = tuple(entropy)
    elif isinstance(dataset, ConcatDataset):
        for number, part in enumerate(dataset.datasets):
            seed_items(part, (*entropy, number))
