"""The class activation maps of a photo, and the mask derived from them."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from mmwsss.functional.thresholds import labels_at_threshold
from mmwsss.utils.io import atomic_open, swap_channels, write_cam
from mmwsss.utils.names import output_path

from .label_map import LabelMap
from .photo_inputs import Photo


@dataclass(frozen=True, eq=False)
class CAMs:
    """Result of :func:`mmwsss.apis.infer_cams`: maps and mask of one pass through the network.

    Attributes:
        classes (numpy.ndarray): (K,) 0-based ids of the classes that have a map.
        cams (numpy.ndarray): (K,H,W) float32 in [0,1].
        scores (numpy.ndarray): (C,) probability of every tag.
        names (list[str]): Names of the ``classes``.
        class_names (tuple[str]): Class names of the model, background first.
        photo (Photo): The photo that was processed.
        threshold (float): Background threshold of the mask, in [0,1].
        segmentation (numpy.ndarray | None): (H,W) prediction of a network that also segments.
    """

    classes: np.ndarray
    cams: np.ndarray
    scores: np.ndarray
    names: list[str]
    class_names: tuple[str, ...]
    photo: Photo
    threshold: float = 0.4
    segmentation: np.ndarray | None = None

    @cached_property
    def mask(self) -> LabelMap:
        """Segmentation of the network; for a classifier, its maps thresholded at ``threshold``."""
        if self.segmentation is None:
            return self.cut(self.threshold)
        return LabelMap(self.segmentation, self.class_names, self.photo)

    def cut(self, threshold: float) -> LabelMap:
        """Label map (H,W) uint8 of the maps.

        Args:
            threshold (float): Background threshold in [0,1].

        Raises:
            ValueError: The threshold is outside [0,1].
        """
        check_threshold(threshold)
        labels = labels_at_threshold(torch.from_numpy(self.cams), self.classes.tolist(), threshold)
        return LabelMap(labels.numpy(), self.class_names, self.photo)

    def save(self, folder: str | Path) -> list[Path]:
        """Write ``<name>.npz`` (maps), ``<name>.png`` (mask) and ``<name>_overlay.png``.

        Args:
            folder (str | Path): Output folder, created if needed.

        Returns:
            list[Path]: The files.
        """
        name = self.photo.name
        maps, overlay = (output_path(Path(folder), name, end) for end in ('.npz', '_overlay.png'))
        write_cam(maps, self.classes, self.cams)
        with atomic_open(overlay) as file:
            self.overlay().save(file, 'PNG')
        return [maps, self.mask.save(output_path(Path(folder), name, '.png')), overlay]

    def overlay(self, cell: int = 320) -> Image.Image:
        """Photo, map of each class and mask side by side, with a legend.

        Args:
            cell (int): Side of each picture in pixels.

        Returns:
            PIL.Image.Image: RGB image, which a notebook displays.
        """
        from mmwsss.visualization.overlay import draw_cam_grid

        sample = dict(
            id=self.photo.name,
            image=swap_channels(self.photo.read()),
            cams=list(zip(self.names, self.cams)),
            mask=np.asarray(self.mask),
            tags=self.names,
        )
        return Image.fromarray(draw_cam_grid([sample], cell=cell))

    def to_coco(self, *, polygons: bool = False) -> dict[str, Any]:
        """COCO annotations of the mask; see :meth:`LabelMap.to_coco`."""
        return self.mask.to_coco(polygons=polygons)


def check_threshold(threshold: float) -> float:
    """Return a background threshold after a check.

    Raises:
        ValueError: The threshold is outside [0,1].
    """
    if not 0 <= threshold <= 1:
        raise ValueError(f'threshold must be in [0,1], as the maps are; got {threshold}')
    return threshold
