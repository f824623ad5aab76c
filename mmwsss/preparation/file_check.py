"""Validation of image and mask files: images that were cut off, masks that are not label maps."""

import os
from typing import NamedTuple

import numpy as np

from mmwsss.utils.image_io import open_image, read_image, shown_size
from mmwsss.utils.io import LOSSY_FORMATS, MASK_MODES, voc_palette

LAST_BYTES = {'JPEG': b'\xff\xd9', 'PNG': b'IEND\xaeB`\x82'}
TAIL = 64  # bytes; some programs append a few to a complete file
_RGB_CODE = np.array([1 << 16, 1 << 8, 1])


class MaskCheck(NamedTuple):
    """A label map and what is wrong with its file."""

    labels: np.ndarray | None  # (H,W) uint8, None if this cannot be determined
    problem: tuple | None  # (kind, detail)


def check_image(path, decode=False, *, raw=False):
    """Look for an image that is damaged.

    The end of a JPEG or PNG file tells whether all of it is there, so that most files need not be
    decoded.

    Args:
        path (str | Path): Image file.
        decode (bool): Decode every file, which also finds damage in the middle.
        raw (bool): Size of the pixels as they are stored, without their EXIF orientation.

    Returns:
        tuple[tuple | None, str]: (H,W), or None if the image cannot be read; and what is wrong,
        empty if nothing is.
    """
    try:
        with open_image(path) as image:
            size = (image.height, image.width) if raw else shown_size(image)
            form = image.format
    except FileNotFoundError:
        return None, 'image not found'
    except ValueError as error:
        return None, str(error).removeprefix(f'{path}: ')
    if not decode and form in LAST_BYTES:
        with open(path, 'rb') as file:
            file.seek(-min(TAIL, os.path.getsize(path)), os.SEEK_END)
            if LAST_BYTES[form] in file.read():
                return size, ''
    try:
        read_image(path)
    except ValueError as error:
        return None, str(error).removeprefix(f'{path}: ')
    return size, ''


def check_mask(path, num_classes, size=None):
    """Read a label map in any storage format, and report what is wrong with the file.

    Args:
        path (str | Path): PNG file.
        num_classes (int): K, with background.
        size (tuple, optional): (H,W) of the image.

    Returns:
        MaskCheck: ``labels`` may be given in spite of a problem: colour-encoded and four-channel
            masks in VOC colours are translated, those with a foreign palette
            are taken as class ids if their values are.
    """
    try:
        with open_image(path, 'mask') as image:
            mode, palette = image.mode, image.getpalette() if image.mode == 'P' else None
            pixels = np.array(image if mode in MASK_MODES else image.convert('RGB'))
            form = image.format
    except FileNotFoundError:
        return MaskCheck(None, ('mask not found', ''))
    except ValueError as error:
        return MaskCheck(
            None, ('truncated or unreadable mask', str(error).removeprefix(f'{path}: '))
        )
    if form in LOSSY_FORMATS:
        return MaskCheck(
            None, ('mask of a format that changes class ids; make it again as PNG', form)
        )
    if size is not None and pixels.shape[:2] != tuple(size):
        return MaskCheck(
            None,
            (
                'mask and image differ in size (width x height)',
                f'{pixels.shape[1]}x{pixels.shape[0]} and {size[1]}x{size[0]}',
            ),
        )
    if pixels.ndim == 3:
        labels, foreign = labels_from_colors(pixels, num_classes)
        kind = 'colour-encoded mask of four channels' if mode == 'RGBA' else 'colour-encoded mask'
        if foreign is not None:
            return MaskCheck(
                None, (f'{kind} with a colour that is not a class', f'{mode} image with {foreign}')
            )
        return MaskCheck(labels, (f'{kind}, not a palette PNG', f'{mode} image in VOC colours'))
    values = np.unique(pixels)
    wrong = [int(value) for value in values if not 0 <= value < num_classes and value != 255]
    if wrong:
        return MaskCheck(
            None, (f'class ids outside 0..{num_classes - 1} (255 is ignore)', f'{wrong[:5]}')
        )
    labels = pixels.astype(np.uint8)
    detail = '' if palette is None else _palette_difference(palette, values)
    return MaskCheck(
        labels,
        ('palette of other colours than those of VOC: are the values class ids?', detail)
        if detail
        else None,
    )


def labels_from_colors(rgb, num_classes):
    """Translate an image in VOC colours to a label map.

    Args:
        rgb (array): (H,W,3) uint8.
        num_classes (int): K, with background.

    Returns:
        tuple[array | None, tuple | None]: (H,W) uint8 with 0..K-1 and 255, or None and the first
        colour that is not a class.
    """
    ids = np.array([*range(num_classes), 255])
    known = voc_palette()[ids].astype(np.int64) @ _RGB_CODE
    order = known.argsort()
    codes = rgb.astype(np.int64) @ _RGB_CODE
    nearest = np.searchsorted(known, codes, sorter=order).clip(max=len(ids) - 1)
    foreign = known[order][nearest] != codes
    if foreign.any():
        return None, tuple(rgb[foreign][0].tolist())
    return ids[order][nearest].astype(np.uint8), None


def _palette_difference(palette, values):
    """How the colours of the values that occur differ from VOC's; grey levels are taken as plain
    class ids.
    """
    colors = np.zeros((256, 3), np.int64)
    given = np.asarray(palette, np.int64).reshape(-1, 3)[:256]
    colors[: len(given)] = given
    expected = voc_palette().astype(np.int64)
    if (colors[values] == values[:, None]).all():
        return ''
    for value in values:
        if value != 255 and (colors[value] != expected[value]).any():
            return (
                f'value {value} has colour {tuple(colors[value].tolist())} instead of '
                f'{tuple(expected[value].tolist())}'
            )
    return ''
