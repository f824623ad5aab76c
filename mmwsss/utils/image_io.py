"""Reading of photos as viewers show them: upright, at any bit depth, without transparency.

Cameras store rotated photos with their orientation in EXIF; scanners, microscopes and satellites
store more than 8 bits; drawing programs store colours of transparent pixels. :func:`read_image`
returns the image as a viewer shows it, unless the raw pixels are requested.
"""

import io
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from mmwsss.utils.compat import pillow_without_bound
from mmwsss.utils.extras import import_extra
from mmwsss.utils.limits import check_pixels, check_regular_file

# exceptions of Pillow's decoders for damaged files, found by changing bytes of every format
IMAGE_ERRORS = (
    OSError,
    SyntaxError,
    ValueError,
    Image.DecompressionBombError,
    zlib.error,
    struct.error,
    EOFError,
    LookupError,
    TypeError,
    ArithmeticError,
    AttributeError,
    NotImplementedError,
    RuntimeError,
    MemoryError,
)
ALPHA_COLOR = (255, 255, 255)  # colour behind transparent pixels, R G B: white as paper
PERCENTILES = (0.5, 99.5)  # percentiles of the values that become black and white
SAMPLED = 1 << 20  # number of values from which the percentiles are computed
STRIP = 1 << 22  # pixels that are converted at a time
ORIENTATION = 0x0112  # EXIF tag
HEIF_BRANDS = (b'heic', b'heix', b'heim', b'heis', b'hevc', b'hevx', b'mif1', b'msf1')
_DEEP = ('I', 'F', 'I;16', 'I;16L', 'I;16B', 'I;16N')


@contextmanager
def open_image(
    path: str | Path, what: str = 'image', *, max_pixels: float | None = None
) -> Iterator[Image.Image]:
    """Header of an image file whose size is acceptable; pixels are decoded on demand.

    Args:
        path: File.
        what: Kind of the file, for messages.
        max_pixels: Default: the limit of :mod:`mmwsss.utils.limits`, which replaces that of Pillow.

    Yields:
        The image.

    Raises:
        FileNotFoundError: The file does not exist.
        ValueError: The file is not regular, is too large or damaged (also found while decoding), or
            has a format whose package is not installed. The message names the file.
    """
    check_regular_file(path, what)
    try:
        image = _opened(path)
    except IMAGE_ERRORS as error:
        if str(error).startswith(f'{path}: '):
            raise
        raise ValueError(f'{path}: unreadable {what} ({_reason(error, path)})') from error
    with image:
        check_pixels(path, image.width, image.height, what, max_pixels)
        try:
            yield image
        except IMAGE_ERRORS as error:
            if str(error).startswith(f'{path}: '):
                raise
            raise ValueError(f'{path}: unreadable {what} ({_reason(error, path)})') from error


def _opened(path: str | Path) -> Image.Image:
    """Open an image file of any format of Pillow or, depending on its content, a HEIC photo."""
    try:
        with pillow_without_bound():
            return Image.open(path)
    except UnidentifiedImageError:
        if not _is_heif(path):
            raise
    import_extra('pillow_heif', 'heic', f'{path}: a HEIC photo').register_heif_opener()
    with pillow_without_bound():
        return Image.open(path)


def _is_heif(path: str | Path) -> bool:
    """Whether a file is a HEIF container, regardless of its name."""
    with open(path, 'rb') as file:
        head = file.read(12)
    return head[4:8] == b'ftyp' and head[8:] in HEIF_BRANDS


def _reason(error: BaseException, path: str | Path) -> str:
    """Message of a library's error without the path, with which the messages of mmwsss start."""
    text = str(error) or type(error).__name__
    return text.replace(repr(str(path)), 'the file')


def orientation_of(image: Image.Image) -> int:
    """EXIF orientation 1..8 of an open image, 1 if there is none or the EXIF block is damaged (a
    viewer shows such a photo as it is stored).

    A TIFF file is rotated by Pillow while it is decoded and then has orientation 1; a HEIC photo is
    rotated by its container.
    """
    try:
        # Pillow decodes a whole PNG file to search for EXIF behind the pixels
        if image.format == 'PNG' and not _png_has_exif(image):
            return 1
        value = image.getexif().get(ORIENTATION, 1)
    except IMAGE_ERRORS:
        return 1
    return value if value in range(1, 9) else 1


def _png_has_exif(image: Any) -> bool:
    """Whether a PNG file has an EXIF block, from the headers of its chunks."""
    if 'exif' in image.info or 'Raw profile type exif' in image.info:
        return True
    with open(image.filename, 'rb') as file:
        file.seek(8)
        while len(head := file.read(8)) == 8:
            if head[4:] in (b'eXIf', b'IEND'):
                return head[4:] == b'eXIf'
            file.seek(int.from_bytes(head[:4], 'big') + 4, 1)
    return False


def shown_size(image: Image.Image) -> tuple[int, int]:
    """(H,W) of an open image after its EXIF orientation, from the header; Pillow's size of a TIFF
    file already includes it.
    """
    height, width = image.height, image.width
    turned = image.format != 'TIFF' and orientation_of(image) >= 5
    return (width, height) if turned else (height, width)


def read_image(
    path: str | Path,
    *,
    raw: bool = False,
    max_pixels: float | None = None,
    alpha_color: tuple[int, int, int] = ALPHA_COLOR,
    value_range: str | tuple[float, float] = 'percentile',
) -> np.ndarray:
    """Read an image as (H,W,3) uint8 BGR (the channel order of MMCV), as a viewer shows it.

    The EXIF orientation is applied; the first of several pictures in a file (GIF) is read;
    transparent pixels show ``alpha_color``; grey, palette, CMYK and 1-bit images are converted to
    colour images. Values of more than 8 bits, and floats, are scaled linearly so that
    ``value_range`` becomes 0..255; pixels that are not finite become 0.

    Args:
        path: File.
        raw: Return pixels in the order and with the colours in which they are stored: orientation
            and transparency are ignored. Annotations of VOC, SBD and COCO follow raw pixels.
        max_pixels: Largest width x height; default: ``MMWSSS_MAX_MEGAPIXELS``, 134 million.
        alpha_color: R, G, B behind transparent pixels.
        value_range: Range of images with more than 8 bits: ``'percentile'``, from the 0.5th to the
            99.5th percentile of the image; ``'full'``, the whole range of the type (0..1 for
            floats); or (low, high).

    Raises:
        FileNotFoundError: The file does not exist.
        ValueError: The file is not a readable image, or is too large. The message names the file.
    """
    with open_image(path, max_pixels=max_pixels) as image:
        wide = is_deep_color(image)
        image.load()
        turn = 1 if raw else orientation_of(image)
        rows, columns = image.height, image.width
        result = np.empty((columns, rows, 3) if turn >= 5 else (rows, columns, 3), np.uint8)
        stored = _as_stored(result, turn)
        if wide:
            _fill_deep_color(stored, path, image, value_range)
        else:
            _fill(stored, path, image, None if raw else alpha_color, value_range)
    return result


def image_to_bgr(
    image: Image.Image,
    *,
    alpha_color: tuple[int, int, int] = ALPHA_COLOR,
    value_range: str | tuple[float, float] = 'percentile',
) -> np.ndarray:
    """(H,W,3) uint8 BGR of a PIL image in any mode, with its pixels as stored: applying the EXIF
    orientation (``PIL.ImageOps.exif_transpose``) is left to the caller.

    Args:
        image: Image; an open file is decoded.
        alpha_color, value_range: See :func:`read_image`.

    Raises:
        ValueError: The pixels cannot be decoded.
    """
    check_pixels('the image', image.width, image.height, 'image')
    try:
        image.load()
    except IMAGE_ERRORS as error:
        raise ValueError(f'unreadable image ({_reason(error, "the image")})') from error
    result = np.empty((image.height, image.width, 3), np.uint8)
    _fill(result, 'the image', image, alpha_color, value_range)
    return result


def shrink(image: np.ndarray, max_side: int | None) -> np.ndarray:
    """Image (H,W,3) uint8 whose longer side is at most ``max_side`` pixels, resized by Pillow's
    antialiased bicubic filter; the image itself if it is small enough or there is no limit.

    Raises:
        ValueError: ``max_side`` is not positive.
    """
    if max_side is None or max(image.shape[:2]) <= max_side:
        return image
    if max_side < 1:
        raise ValueError(f'max_side must be positive, got {max_side}')
    factor = max_side / max(image.shape[:2])
    height, width = (max(1, round(side * factor)) for side in image.shape[:2])
    return np.array(Image.fromarray(image).resize((width, height), Image.Resampling.BICUBIC))


def upright_content(path: str | Path) -> bytes | None:
    """Content of an image file whose pixels are stored upright, in the format of the original:
    lossless if that is lossless, otherwise at quality 95. Other EXIF entries and the colour profile
    are kept.

    Args:
        path: Image file.

    Returns:
        The content; None if the orientation is already upright.

    Raises:
        ValueError: The file is unreadable, or its format cannot be written. The message names the
            file.
    """
    with open_image(path) as image:
        if orientation_of(image) == 1:
            return None
        kind = 'JPEG' if image.format == 'MPO' else str(image.format)
        profile = image.info.get('icc_profile')
        turned = ImageOps.exif_transpose(image)
        lossy = dict(quality=95) if kind in ('JPEG', 'WEBP') else {}
        buffer = io.BytesIO()
        turned.save(buffer, kind, exif=turned.getexif(), icc_profile=profile, **lossy)
    return buffer.getvalue()


def _as_stored(result: np.ndarray, turn: int) -> np.ndarray:
    """View of the result (H,W,3) in the order of the stored pixels; EXIF orientation ``turn``."""
    view = result
    if turn in (2, 3, 6, 7):
        view = view[:, ::-1]
    if turn in (3, 4, 7, 8):
        view = view[::-1]
    return view.transpose(1, 0, 2) if turn >= 5 else view


def _strips(image: Image.Image) -> Iterator[tuple[slice, Image.Image]]:
    """Rows of an image, a few at a time, so that conversions need little additional memory."""
    step = max(1, STRIP // max(1, image.width))
    if step >= image.height:
        yield slice(None), image
        return
    for top in range(0, image.height, step):
        bottom = min(top + step, image.height)
        yield slice(top, bottom), image.crop((0, top, image.width, bottom))


def _fill(
    stored: np.ndarray,
    path: str | Path,
    image: Image.Image,
    alpha_color: tuple[int, int, int] | None,
    value_range: str | tuple[float, float],
) -> None:
    """Pixels of a decoded image with 8 bits per channel, or of a grey one with more."""
    if image.mode in _DEEP:
        _fill_deep(stored, path, image, value_range)
    else:
        _fill_colors(stored, image, alpha_color)


def _fill_colors(
    stored: np.ndarray, image: Image.Image, alpha_color: tuple[int, int, int] | None
) -> None:
    """8-bit images of any mode, transparency composited on ``alpha_color``."""
    clear = image.mode in ('LA', 'PA', 'RGBA', 'RGBa') or 'transparency' in image.info
    for rows, strip in _strips(image):
        if clear and alpha_color is not None:
            pixels = np.asarray(strip.convert('RGBA'))
            alpha = pixels[..., 3:].astype(np.float32) / 255
            color = np.asarray(alpha_color, np.float32)
            mixed = color + alpha * (pixels[..., :3] - color)
            stored[rows] = np.rint(mixed)[..., ::-1]
        else:
            plain = strip if strip.mode == 'RGB' else strip.convert('RGB')
            stored[rows] = _swapped(np.asarray(plain))


def _swapped(pixels: np.ndarray) -> np.ndarray:
    """BGR of (H,W,3) uint8 RGB; a reversed copy takes as long as decoding a JPEG file."""
    import cv2  # slow to import, and many tools read no image

    return cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR)


def is_deep_color(image: Image.Image) -> bool:
    """Whether a colour image holds 16 bits per channel, of which Pillow keeps 8."""
    tiles = getattr(image, 'tile', ()) if image.mode in ('RGB', 'RGBA', 'LA') else ()
    modes = [tile[3] if isinstance(tile[3], str) else tile[3][:1] for tile in tiles[:1]]
    return any(';16' in str(mode) for mode in modes)


def _fill_deep_color(
    stored: np.ndarray,
    path: str | Path,
    image: Image.Image,
    value_range: str | tuple[float, float],
) -> None:
    """16 bits per channel: decoded by OpenCV; the channels share one scale, alpha is left out."""
    import cv2  # slow to import, and few images need it

    pixels = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_UNCHANGED)
    if pixels is None or pixels.shape[:2] != (image.height, image.width):
        raise ValueError('16-bit colours cannot be decoded; save it with 8 bits per channel')
    pixels = pixels.reshape(*pixels.shape[:2], -1)
    pixels = pixels[..., :3] if pixels.shape[2] >= 3 else pixels[..., :1]
    step = max(1, pixels.shape[0] * pixels.shape[1] // SAMPLED)
    low, high = _range(path, pixels[::step], value_range)
    height = max(1, STRIP // image.width)
    for top in range(0, len(pixels), height):
        rows = slice(top, top + height)
        stored[rows] = _scaled(pixels[rows], low, high)


def _fill_deep(
    stored: np.ndarray,
    path: str | Path,
    image: Image.Image,
    value_range: str | tuple[float, float],
) -> None:
    """Grey images of more than 8 bits, or of floats."""
    step = max(1, image.width * image.height // SAMPLED)
    sample = np.concatenate([np.asarray(strip).reshape(-1)[::step] for _, strip in _strips(image)])
    low, high = _range(path, sample, value_range)
    for rows, strip in _strips(image):
        stored[rows] = _scaled(np.asarray(strip), low, high)[..., None]


def _range(
    path: str | Path, sample: np.ndarray, value_range: str | tuple[float, float]
) -> tuple[float, float]:
    """Values that become 0 and 255."""
    floats = sample.dtype.kind == 'f'
    sample = np.asarray(sample, np.float64).reshape(-1)
    finite = sample[np.isfinite(sample)]
    if not finite.size:
        raise ValueError(f'{path}: unreadable image (no pixel is a finite number)')
    whole = (0.0, 1.0) if floats else (0.0, 65535.0)
    if value_range == 'full':
        return whole
    if value_range == 'percentile':
        low, high = (float(value) for value in np.percentile(finite, PERCENTILES))
        if high > low:
            return low, high
        low, high = float(finite.min()), float(finite.max())
        return (low, high) if high > low else whole
    if isinstance(value_range, str) or len(value_range) != 2 or value_range[1] <= value_range[0]:
        raise ValueError(
            f"{path}: value_range is 'percentile', 'full' or (low, high), got {value_range!r}"
        )
    return float(value_range[0]), float(value_range[1])


def _scaled(values: np.ndarray, low: float, high: float) -> np.ndarray:
    """``values`` with low..high mapped to 0..255, uint8."""
    scaled = (values.astype(np.float32) - np.float32(low)) * np.float32(255 / (high - low))
    return np.rint(np.nan_to_num(scaled, nan=0.0, posinf=0.0, neginf=0.0).clip(0, 255)).astype(
        np.uint8
    )
