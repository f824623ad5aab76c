"""Validation of image and mask files: truncated images, masks that are not label maps."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mmwsss.utils.image_io import open_image, read_image, shown_size
from mmwsss.utils.io import LOSSY_FORMATS, MASK_MODES, voc_palette

LAST_BYTES = {'JPEG': b'\xff\xd9', 'PNG': b'IEND\xaeB`\x82'}
TAIL = 64  # bytes, because some programs append a few to a complete file
_RGB_CODE = np.array([1 << 16, 1 << 8, 1])


class MaskCheck(NamedTuple):
    """A label map and the problem of its file."""

    labels: NDArray[Any] | None  # (H,W) uint8, None if this cannot be determined
    problem: tuple[str, str] | None  # (kind, detail)


def check_image(
    path: str | Path, decode: bool = False, *, raw: bool = False
) -> tuple[tuple[int, int] | None, str]:
    """Check whether an image is damaged.

    The end of a JPEG or PNG file shows whether the file is complete, so that most files need not be
    decoded.

    Args:
        path (str | Path): Image file.
        decode (bool): Decode every file, which also finds damage in the middle.
        raw (bool): Return the size of the stored pixels, without the EXIF orientation.

    Returns:
        tuple[tuple | None, str]: (H,W), or None if the image cannot be read; and the problem, empty
            if there is none.
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


def check_mask(path: str | Path, num_classes: int, size: Sequence[int] | None = None) -> MaskCheck:
    """Read a label map in any storage format, and report problems of the file.

    Args:
        path (str | Path): PNG file.
        num_classes (int): K, including background.
        size (tuple, optional): (H,W) of the image.

    Returns:
        MaskCheck: ``labels`` may be given despite a problem: colour-encoded and four-channel masks
            in VOC colours are translated, and masks with another palette are used as class ids if
            their values are valid.
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
        return MaskCheck(None, size_problem(pixels.shape, size))
    if pixels.ndim == 3:
        return _check_colored_mask(pixels, mode, num_classes)
    return _check_label_map(pixels, palette, num_classes)


def image_problem(path: Path, wrong: str) -> tuple[str, Path, str]:
    """(kind, file, detail) for a report of the problem found by :func:`check_image`."""
    if wrong == 'image not found':
        return wrong, path, ''
    return 'truncated or unreadable image', path, wrong


def size_problem(mask: Sequence[int], image: Sequence[int]) -> tuple[str, str]:
    """Problem of a mask and an image of these two sizes (H,W)."""
    kind = 'mask and image differ in size (width x height)'
    return kind, f'{mask[1]}x{mask[0]} and {image[1]}x{image[0]}'


def _check_colored_mask(pixels: NDArray[np.uint8], mode: str, num_classes: int) -> MaskCheck:
    """Check a mask (H,W,3) that contains colours instead of class ids."""
    labels, foreign = labels_from_colors(pixels, num_classes)
    kind = 'colour-encoded mask of four channels' if mode == 'RGBA' else 'colour-encoded mask'
    if foreign is not None:
        return MaskCheck(
            None, (f'{kind} with a colour that is not a class', f'{mode} image with {foreign}')
        )
    return MaskCheck(labels, (f'{kind}, not a palette PNG', f'{mode} image in VOC colours'))


def _check_label_map(
    pixels: NDArray[Any], palette: Sequence[int] | None, num_classes: int
) -> MaskCheck:
    """Check a mask (H,W) of class ids, possibly with a palette."""
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


def labels_from_colors(
    rgb: NDArray[np.uint8], num_classes: int
) -> tuple[NDArray[np.uint8] | None, tuple[int, ...] | None]:
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


def _palette_difference(palette: Sequence[int], values: NDArray[Any]) -> str:
    """Difference between the colours of the occurring values and VOC's; grey levels are treated as
    plain class ids.
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
