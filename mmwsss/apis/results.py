"""Results of several photos."""

from collections import Counter
from pathlib import Path
from typing import Any

from .cams import CAMs
from .label_map import LabelMap, coco_of


class Results(list):
    """List of :class:`CAMs` or of :class:`LabelMap`, one for each photo, in their order."""

    def save(self, folder: str | Path) -> list[Path]:
        """Write the files of every photo under the name of the photo; see ``save`` of the elements.

        Args:
            folder (str | Path): Output folder, created if needed.

        Returns:
            list[Path]: The files.

        Raises:
            ValueError: Two photos have the same name; nothing is written.
        """
        repeated = [name for name, count in Counter(self.names).items() if count > 1]
        if repeated:
            raise ValueError(
                f'{len(repeated)} names belong to several photos, first {repeated[0]!r}: save them '
                f'into separate folders'
            )
        files: list[Path] = []
        for result in self:
            written = result.save(folder)
            files += written if isinstance(written, list) else [written]
        return files

    def overlay(self) -> list[Any]:
        """Picture of each photo, ``PIL.Image.Image``."""
        return [result.overlay() for result in self]

    def to_coco(self, *, polygons: bool = False) -> dict[str, Any]:
        """COCO annotations of all photos.

        Args:
            polygons (bool): Polygons instead of run-length encoded masks.

        Raises:
            ValueError: pycocotools is not installed.
        """
        return coco_of([self._mask(result) for result in self], polygons=polygons)

    @property
    def names(self) -> list[str]:
        """Name of each photo."""
        return [self._mask(result).known_photo.name for result in self]

    @staticmethod
    def _mask(result: CAMs | LabelMap) -> LabelMap:
        return result if isinstance(result, LabelMap) else result.mask
