"""YOLO segmentation: one text file per image with a class number and a polygon per line."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from mmwsss.functional.polygons import fill_polygon, region_to_polygon
from mmwsss.utils.file_lookup import IMAGE_SUFFIXES, find_files
from mmwsss.utils.image_io import open_image, shown_size
from mmwsss.utils.io import atomic_open
from mmwsss.utils.limits import read_text
from mmwsss.utils.yaml_files import read_yaml

from .base import MaskFormat, MaskItem, ReadMask


class YOLOFormat(MaskFormat):
    """``labels/<id>.txt`` with coordinates relative to the size of the image, and ``data.yaml``
    with the names; class numbers count from 0 without background.

    Arguments as for :class:`~mmwsss.preparation.exports.base.MaskFormat`.
    """

    def write(self, items: Iterator[MaskItem], out: Path) -> None:
        """See :meth:`MaskFormat.write`."""
        for item in items:
            height, width = item.mask.shape
            lines = []
            for region in self.regions(item.mask):
                polygon = region_to_polygon(region, self.tolerance) / (width, height)
                numbers = ' '.join(f'{value:.6f}' for value in polygon.ravel())
                lines.append(f'{region.label - 1} {numbers}\n')
            with atomic_open(out / 'labels' / f'{item.id}.txt', 'w', encoding='utf-8') as file:
                file.writelines(lines)
        content = dict(names=dict(enumerate(self.classes[1:])), nc=len(self.classes) - 1)
        with atomic_open(out / 'data.yaml', 'w', encoding='utf-8') as file:
            yaml.safe_dump(content, file, allow_unicode=True, sort_keys=False)

    def _read(self, source: Path, images: Path | None) -> Iterator[ReadMask]:
        """See :meth:`MaskFormat.read`; ``source`` is the folder with ``data.yaml`` and ``labels``;
        the sizes are those of the photos, by default in its folder ``images``.
        """
        names = _class_names(source / 'data.yaml')
        labels = sorted((source / 'labels').rglob('*.txt'))
        ids = [path.relative_to(source / 'labels').with_suffix('').as_posix() for path in labels]
        photos = find_files(
            images or source / 'images',
            ids,
            IMAGE_SUFFIXES,
            what='image',
            hint='YOLO files hold no image sizes: name the folder of the photos with --images',
        )
        for path, name, image in zip(labels, ids, photos):
            with open_image(image) as photo:
                height, width = shown_size(photo)
            mask = self.blank_mask(image, height, width)
            for number, line in enumerate(read_text(path, 'label file').splitlines(), 1):
                words = line.split()
                if not words:
                    continue
                try:
                    points = np.array(words[1:], float).reshape(-1, 2) * (width, height)
                    label = self.class_id(names[int(words[0])], path)
                except (ValueError, KeyError) as error:
                    raise ValueError(f'{path}, line {number}: {error}') from error
                fill_polygon(mask, points, label)
            yield ReadMask(name, mask)


def _class_names(path: Path) -> dict[int, Any]:
    """Names by number of a ``data.yaml``.

    Raises:
        ValueError: The file has another form. The message names it.
    """
    content = read_yaml(path)
    names = content.get('names') if isinstance(content, dict) else None
    if not isinstance(names, (dict, list)):
        raise ValueError(f'{path}: has no list of class names, "names"')
    return dict(enumerate(names)) if isinstance(names, list) else names
