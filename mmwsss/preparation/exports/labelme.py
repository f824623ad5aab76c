"""labelme: one JSON file with polygons per image."""

import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmwsss.functional.polygons import Region, fill_polygon, region_to_polygon
from mmwsss.utils.io import read_json, write_json

from .base import MaskFormat, MaskItem, ReadMask


class LabelmeFormat(MaskFormat):
    """``<id>.json`` in one folder, with the path of the image relative to the file.

    Arguments as for :class:`~mmwsss.preparation.exports.base.MaskFormat`.
    """

    def write(self, items: Iterator[MaskItem], out: Path) -> None:
        """See :meth:`MaskFormat.write`."""
        for item in items:
            path = out / f'{item.id}.json'
            shapes = [self._shape(region) for region in self.regions(item.mask)]
            height, width = item.mask.shape
            write_json(
                path,
                dict(
                    version='5.0.0',
                    flags={},
                    shapes=shapes,
                    imagePath=Path(os.path.relpath(item.image, path.parent)).as_posix(),
                    imageData=None,
                    imageHeight=height,
                    imageWidth=width,
                ),
            )

    def _shape(self, region: Region) -> dict[str, Any]:
        return dict(
            label=self.classes[region.label],
            points=region_to_polygon(region, self.tolerance).tolist(),
            group_id=None,
            shape_type='polygon',
            flags={},
        )

    def _read(self, source: Path, images: Path | None) -> Iterator[ReadMask]:
        """See :meth:`MaskFormat.read`; ``source`` is a folder or one file."""
        files = sorted(source.rglob('*.json')) if source.is_dir() else [source]
        for path in files:
            content = read_json(path)
            if not isinstance(content, dict) or 'shapes' not in content:
                raise ValueError(f'{path}: not a labelme file (it has no "shapes")')
            mask = self.blank_mask(path, content['imageHeight'], content['imageWidth'])
            for shape in content['shapes']:
                points = _outline(shape, path)
                fill_polygon(mask, points, self.class_id(shape['label'], path))
            name = path.name if path == source else path.relative_to(source).as_posix()
            yield ReadMask(str(PurePosixPath(name).with_suffix('')), mask)


def _outline(shape: dict[str, Any], path: Path) -> NDArray[np.float64]:
    """(P,2) outline of a polygon or of a rectangle, which is stored as two opposite corners."""
    points = np.asarray(shape['points'], float)
    kind = shape.get('shape_type', 'polygon')
    if kind == 'rectangle':
        (left, top), (right, bottom) = points.min(0), points.max(0)
        return np.array([(left, top), (right, top), (right, bottom), (left, bottom)])
    if kind != 'polygon':
        raise ValueError(
            f'{path}: a shape of type {kind!r}; only polygons and rectangles become masks'
        )
    return points
