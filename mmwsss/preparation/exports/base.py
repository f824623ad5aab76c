"""Common part of the annotation formats: the interface for writing and reading masks."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mmwsss.functional.polygons import Region, connected_regions
from mmwsss.utils.limits import check_pixels

# exceptions caused by values of unexpected types
READ_ERRORS = (
    ValueError,
    OSError,
    TypeError,
    LookupError,
    AttributeError,
    ArithmeticError,
    RecursionError,
    MemoryError,
)


class MaskItem(NamedTuple):
    """One image and its mask."""

    id: str
    """Image id, ``/`` between folders."""
    image: Path
    """File of the image."""
    mask: NDArray[np.uint8]
    """(H,W) label map: 0 background, 255 ignore."""


class ReadMask(NamedTuple):
    """Mask that was read from an annotation file."""

    id: str
    mask: NDArray[np.uint8]
    """(H,W) label map."""


class MaskFormat(ABC):
    """An annotation format that can be written and read.

    Args:
        classes (Sequence[str]): Class names, background first.
        tolerance (float): Largest distance in pixels between an outline and its polygon; formats
            that store pixels ignore it.
        min_area (int): Regions of fewer pixels are not written.
    """

    def __init__(
        self, classes: Sequence[str], *, tolerance: float = 0.5, min_area: int = 1
    ) -> None:
        self.classes = tuple(classes)
        self.tolerance = tolerance
        self.min_area = min_area

    @abstractmethod
    def write(self, items: Iterator[MaskItem], out: Path) -> None:
        """Write all items below the folder ``out``, atomically."""

    def read(self, source: Path, images: Path | None = None) -> Iterator[ReadMask]:
        """Masks of an annotation file or folder.

        Args:
            source (Path): File or folder.
            images (Path, optional): Folder of the photos, for formats that hold no sizes.

        Raises:
            FileNotFoundError: The file does not exist.
            ValueError: A file is damaged, there is no mask, a class is unknown, or an image has two
                masks. The message names the file.
        """
        seen: set[str] = set()
        try:
            for found in self._read(source, images):
                if found.id in seen:
                    raise ValueError(f'{source}: two masks of the image {found.id!r}')
                seen.add(found.id)
                yield found
            if not seen:
                raise ValueError(f'{source}: holds no annotated image')
        except READ_ERRORS as error:
            if isinstance(error, (ValueError, OSError)) and str(source) in str(error):
                raise
            reason = f'has no {error}' if isinstance(error, KeyError) else str(error)
            raise ValueError(
                f'{source}: damaged annotations ({reason}); export them again'
            ) from error

    @abstractmethod
    def _read(self, source: Path, images: Path | None) -> Iterator[ReadMask]:
        """Masks as :meth:`read` returns them, which handles values of unexpected types."""

    def blank_mask(self, where: str | Path, height: object, width: object) -> NDArray[np.uint8]:
        """Background label map of a size that a file declares.

        Args:
            where: File, for the message.
            height, width: Size as read from the file.

        Raises:
            ValueError: The size is not positive integers, or exceeds ``MMWSSS_MAX_MEGAPIXELS``.
        """
        sides = [int(str(side)) for side in (height, width)]
        if min(sides) < 1:
            raise ValueError(f'{where}: an image of {width}x{height} (width x height)')
        check_pixels(where, sides[1], sides[0], 'image')
        return np.zeros(sides, np.uint8)

    def regions(self, mask: NDArray[np.uint8]) -> Iterator[Region]:
        """Connected regions of a mask that are large enough."""
        return connected_regions(mask, self.min_area)

    def class_id(self, name: object, where: str | Path) -> int:
        """1-based id of a class name.

        Raises:
            ValueError: The name is not a known class.
        """
        if name not in self.classes[1:]:
            raise ValueError(
                f'{where}: {name!r} is not a known class; the classes are '
                f'{", ".join(self.classes[1:])} (add it to the class file, or rename it)'
            )
        return self.classes.index(str(name))
