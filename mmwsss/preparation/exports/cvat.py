"""CVAT for images 1.1: one XML file with run-length encoded (brush) masks."""

from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

from mmwsss.functional.polygons import fill_polygon
from mmwsss.utils.io import atomic_open
from mmwsss.utils.limits import read_xml
from mmwsss.utils.run_lengths import fill_runs

from .base import MaskFormat, MaskItem, ReadMask


class CVATFormat(MaskFormat):
    """``annotations.xml`` with the masks of all images.

    Arguments as for :class:`~mmwsss.preparation.exports.base.MaskFormat`.
    """

    def write(self, items: Iterator[MaskItem], out: Path) -> None:
        """See :meth:`MaskFormat.write`."""
        root = ElementTree.Element('annotations')
        ElementTree.SubElement(root, 'version').text = '1.1'
        task = ElementTree.SubElement(ElementTree.SubElement(root, 'meta'), 'task')
        labels = ElementTree.SubElement(task, 'labels')
        for name in self.classes[1:]:
            label = ElementTree.SubElement(labels, 'label')
            ElementTree.SubElement(label, 'name').text = name
            ElementTree.SubElement(label, 'type').text = 'mask'
        for number, item in enumerate(items):
            height, width = item.mask.shape
            image = ElementTree.SubElement(
                root,
                'image',
                id=str(number),
                name=f'{item.id}{item.image.suffix}',
                width=str(width),
                height=str(height),
            )
            for region in self.regions(item.mask):
                ElementTree.SubElement(
                    image,
                    'mask',
                    label=self.classes[region.label],
                    source='auto',
                    occluded='0',
                    rle=', '.join(map(str, _runs(region.mask))),
                    left=str(region.left),
                    top=str(region.top),
                    width=str(region.mask.shape[1]),
                    height=str(region.mask.shape[0]),
                    z_order='0',
                )
        ElementTree.indent(root)
        with atomic_open(out / 'annotations.xml') as file:
            ElementTree.ElementTree(root).write(file, encoding='utf-8', xml_declaration=True)

    def _read(self, source: Path, images: Path | None) -> Iterator[ReadMask]:
        """See :meth:`MaskFormat.read`; ``source`` is the file, or the folder that holds it."""
        path = source / 'annotations.xml' if source.is_dir() else source
        root = read_xml(path, 'CVAT file', 'annotations')
        for image in root.iter('image'):
            mask = self.blank_mask(path, image.attrib['height'], image.attrib['width'])
            for shape in sorted(image, key=lambda shape: int(shape.get('z_order', 0))):
                if shape.tag in ('mask', 'polygon', 'box'):
                    self._paint(mask, shape, self.class_id(shape.get('label'), path))
            yield ReadMask(str(PurePosixPath(image.attrib['name']).with_suffix('')), mask)

    @staticmethod
    def _paint(mask: NDArray[np.uint8], shape: ElementTree.Element, label: int) -> None:
        if shape.tag == 'mask':
            left, top, width, height = (
                int(float(shape.attrib[key])) for key in ('left', 'top', 'width', 'height')
            )
            counts = [int(part) for part in shape.attrib['rle'].split(',')]
            if min(left, top) < 0 or top + height > mask.shape[0] or left + width > mask.shape[1]:
                raise ValueError('a mask lies outside its image')
            inside = fill_runs(counts, (height, width))  # in the box of the mask
            mask[top : top + height, left : left + width][inside] = label
            return
        if shape.tag == 'box':
            x0, y0, x1, y1 = (float(shape.attrib[key]) for key in ('xtl', 'ytl', 'xbr', 'ybr'))
            points = [(x0, y0), (x1, y0), (x1, y1), (x0, y1)]
        else:
            pairs = (pair.split(',') for pair in shape.attrib['points'].split(';'))
            points = [(float(x), float(y)) for x, y in pairs]
        fill_polygon(mask, np.array(points), label)


def _runs(mask: NDArray[np.bool_]) -> list[int]:
    """Lengths of the runs of a mask in row-major order; the first run is background."""
    flat = np.concatenate([[False], mask.ravel()])
    starts = np.flatnonzero(flat[1:] != flat[:-1])
    return np.diff(np.concatenate([[0], starts, [mask.size]])).tolist()
