"""COCO: one JSON file with run-length encoded masks or polygons."""

from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco_masks

from mmwsss.functional.polygons import Region, fill_polygon, region_to_polygon
from mmwsss.utils.io import read_json, write_json
from mmwsss.utils.run_lengths import decode_runs

from .base import MaskFormat, MaskItem, ReadMask


class COCOFormat(MaskFormat):
    """``annotations.json`` with one annotation per connected region; categories count from 1.

    Args:
        polygons (bool): Write polygons, which most annotation tools can edit, instead of run-length
            encoded masks, which are exact.
        options: See :class:`~mmwsss.preparation.exports.base.MaskFormat`.
    """

    def __init__(
        self,
        classes: Sequence[str],
        *,
        polygons: bool = False,
        tolerance: float = 0.5,
        min_area: int = 1,
    ) -> None:
        super().__init__(classes, tolerance=tolerance, min_area=min_area)
        self.polygons = polygons

    def write(self, items: Iterator[MaskItem], out: Path) -> None:
        """See :meth:`MaskFormat.write`."""
        write_json(out / 'annotations.json', self.content(items))

    def content(self, items: Iterator[MaskItem]) -> dict[str, Any]:
        """Content of the file of all items."""
        images: list[dict[str, Any]] = []
        annotations: list[dict[str, Any]] = []
        for item in items:
            height, width = item.mask.shape
            number = len(images) + 1
            name = f'{item.id}{item.image.suffix}'
            images.append(dict(id=number, file_name=name, height=height, width=width))
            for region in self.regions(item.mask):
                entry = self._annotation(region, (height, width))
                annotations.append(dict(entry, id=len(annotations) + 1, image_id=number))
        names = enumerate(self.classes[1:], 1)
        categories = [dict(id=number, name=name, supercategory='') for number, name in names]
        return dict(
            info=dict(description='Masks exported by mmwsss'),
            licenses=[],
            images=images,
            annotations=annotations,
            categories=categories,
        )

    def _annotation(self, region: Region, size: tuple[int, int]) -> dict[str, Any]:
        height, width = region.mask.shape
        if self.polygons:
            polygon = region_to_polygon(region, self.tolerance)
            segmentation: Any = [polygon.round(2).ravel().tolist()]
        else:
            whole = np.zeros(size, np.uint8, order='F')
            whole[region.top : region.top + height, region.left : region.left + width] = region.mask
            encoded = coco_masks.encode(whole)
            segmentation = dict(size=list(size), counts=encoded['counts'].decode('ascii'))
        return dict(
            category_id=region.label,
            segmentation=segmentation,
            bbox=[region.left, region.top, width, height],
            area=int(region.mask.sum()),
            iscrowd=0,
        )

    def _read(self, source: Path, images: Path | None) -> Iterator[ReadMask]:
        """See :meth:`MaskFormat.read`; ``source`` is the file, or the folder that holds it."""
        path = source / 'annotations.json' if source.is_dir() else source
        content = read_json(path)
        try:
            names = {entry['id']: entry['name'] for entry in content['categories']}
            of_image: dict[int, list[dict[str, Any]]] = {
                entry['id']: [] for entry in content['images']
            }
            for entry in content['annotations']:
                of_image[entry['image_id']].append(entry)
        except (KeyError, TypeError) as error:
            raise ValueError(f'{path}: not a COCO annotation file (missing {error})') from error
        for image in content['images']:
            mask = self.blank_mask(path, image['height'], image['width'])
            # small regions are painted over large ones, as in annotation tools
            for entry in sorted(of_image[image['id']], key=lambda entry: -entry.get('area', 0)):
                name = names.get(entry['category_id'])
                _paint(mask, entry['segmentation'], self.class_id(name, path))
            yield ReadMask(str(PurePosixPath(image['file_name']).with_suffix('')), mask)


def _paint(mask: NDArray[np.uint8], segmentation: Any, label: int) -> None:
    """Write one annotation into a label map."""
    if isinstance(segmentation, list):
        for ring in segmentation:
            fill_polygon(mask, np.asarray(ring, float).reshape(-1, 2), label)
        return
    mask[decode_runs(segmentation, mask.shape)] = label
