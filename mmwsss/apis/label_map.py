"""The label map of a photo, as an array that can be saved and displayed."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from mmwsss.utils.io import swap_channels, write_mask

if TYPE_CHECKING:
    from .photo_inputs import Photo


class LabelMap(np.ndarray):
    """(H,W) uint8 array: 0 background, class c is c+1.

    It behaves as an array (``np.asarray(label_map)`` is a plain one) and keeps a reference to its
    photo.

    Attributes:
        class_names (tuple[str]): Class names, background first.
        photo (Photo | None): Photo from which it was computed.
    """

    class_names: tuple[str, ...]
    photo: 'Photo | None'

    def __new__(
        cls, labels: Any, class_names: tuple[str, ...] = (), photo: 'Photo | None' = None
    ) -> 'LabelMap':
        label_map = np.ascontiguousarray(labels, np.uint8).view(cls)
        label_map.class_names, label_map.photo = tuple(class_names), photo
        return label_map

    def __array_finalize__(self, source: Any) -> None:
        self.class_names = getattr(source, 'class_names', ())
        self.photo = getattr(source, 'photo', None)

    def save(self, path: str | Path) -> Path:
        """Write a palette PNG of the label map, atomically.

        Args:
            path (str | Path): File, or a folder, in which the file has the name of the photo.

        Returns:
            Path: The file.
        """
        path = Path(path)
        if path.suffix.lower() != '.png':
            path = path / f'{self.known_photo.name}.png'
        write_mask(path, np.asarray(self))
        return path

    def overlay(self, alpha: float = 0.7) -> Image.Image:
        """Overlay of the photo with the colours of its classes.

        Args:
            alpha (float): Weight of the colours in [0,1].

        Returns:
            PIL.Image.Image: RGB image, which a notebook displays.
        """
        from mmwsss.visualization.overlay import overlay_mask

        image = swap_channels(self.known_photo.read())
        return Image.fromarray(overlay_mask(image, np.asarray(self), alpha=alpha))

    def to_coco(self, *, polygons: bool = False) -> dict[str, Any]:
        """COCO annotations of this photo: ``images``, ``annotations``, ``categories``.

        Args:
            polygons (bool): Polygons instead of run-length encoded masks.

        Raises:
            ValueError: pycocotools is not installed.
        """
        return coco_of([self], polygons=polygons)

    @property
    def known_photo(self) -> 'Photo':
        """The photo.

        Raises:
            ValueError: The array was computed from others and has no photo.
        """
        if self.photo is None:
            raise ValueError(
                'this label map has no photo; only those that infer_masks returns have one'
            )
        return self.photo


def coco_of(label_maps: list[LabelMap], *, polygons: bool = False) -> dict[str, Any]:
    """COCO annotations of several photos.

    Args:
        label_maps (list[LabelMap]): One or more label maps of the same model.
        polygons (bool): Polygons instead of run-length encoded masks.

    Raises:
        ValueError: pycocotools is not installed.
    """
    try:
        from mmwsss.preparation.exports import COCOFormat, MaskItem
    except ImportError as error:
        raise ValueError(f'to_coco needs pycocotools: pip install pycocotools ({error})') from error
    items = []
    for label_map in label_maps:
        photo = label_map.known_photo
        file = Path(photo.source)
        suffix = file.suffix if photo.pixels is None and file.suffix else '.png'
        items.append(MaskItem(photo.name, Path(f'{photo.name}{suffix}'), np.asarray(label_map)))
    return COCOFormat(label_maps[0].class_names, polygons=polygons).content(iter(items))
