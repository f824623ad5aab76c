"""Palette PNG, and GeoTIFF if the photo is one."""

from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

from PIL import Image
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from mmwsss.utils.image_io import open_image
from mmwsss.utils.io import atomic_open, read_mask, voc_palette, write_mask

from .base import MaskFormat, MaskItem, ReadMask

# model pixel scale, tie points, transformation, key directory, double and ASCII parameters, no-data
GEO_TAGS = (33550, 33922, 34264, 34735, 34736, 34737, 42113)


class PaletteFormat(MaskFormat):
    """``<id>.png`` with VOC colours; ``<id>.tif`` with the georeference of the photo, if it has
    one.

    Arguments as for :class:`~mmwsss.preparation.exports.base.MaskFormat`.
    """

    def write(self, items: Iterator[MaskItem], out: Path) -> None:
        """See :meth:`MaskFormat.write`."""
        for item in items:
            position = geo_tags(item.image)
            if position is None:
                write_mask(out / f'{item.id}.png', item.mask)
                continue
            image = Image.fromarray(item.mask).convert('P')
            image.putdata(item.mask.ravel().tolist())
            image.putpalette(voc_palette().tobytes())
            content = BytesIO()
            image.save(content, 'TIFF', tiffinfo=position, compression='tiff_lzw')
            with atomic_open(out / f'{item.id}.tif') as file:
                file.write(content.getbuffer())

    def _read(self, source: Path, images: Path | None) -> Iterator[ReadMask]:
        """See :meth:`MaskFormat.read`; ``source`` is a folder."""
        for path in sorted(source.rglob('*')):
            if path.suffix in ('.png', '.tif'):
                name = path.relative_to(source).with_suffix('').as_posix()
                yield ReadMask(name, read_mask(path, len(self.classes)))


def geo_tags(image: Path) -> ImageFileDirectory_v2 | None:
    """GeoTIFF tags of a photo, or None if it has none."""
    if image.suffix.lower() not in ('.tif', '.tiff'):
        return None
    with open_image(image) as photo:
        tags = getattr(photo, 'tag_v2', {})
        found = {number: tags[number] for number in GEO_TAGS if number in tags}
        types = getattr(tags, 'tagtype', {})
    if not found:
        return None
    position = ImageFileDirectory_v2()
    for number, value in found.items():
        position[number] = value
        position.tagtype[number] = types[number]
    return position
