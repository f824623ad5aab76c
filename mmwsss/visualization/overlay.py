"""Overlays of class activation maps and label maps on their image; input and output images are
(H,W,3) uint8 RGB.
"""

import io
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import colormaps, get_data_path
from numpy.typing import ArrayLike, NDArray
from PIL import Image, ImageDraw, ImageFont

from mmwsss.utils.io import voc_palette

GAP = 8
CAPTION_HEIGHT = 22
INK = (31, 41, 55)


def overlay_cam(
    image_rgb: ArrayLike,
    cam: NDArray[Any],
    alpha: float = 0.55,
    *,
    colormap: str = 'turbo',
) -> NDArray[np.uint8]:
    """Blend the colours of a class activation map with the grey values of its image, so that the
    hue shows only the activation.

    Args:
        image_rgb (array): (H,W,3) uint8.
        cam (array): (h,w) in [0,1], resized bilinearly to (H,W); values outside are clipped and NaN
            counts as 0.
        alpha (float): Weight of the map in [0,1]; 0 shows only the grey image.
        colormap (str): Name of a matplotlib colour map.

    Returns:
        ndarray: (H,W,3) uint8.

    Raises:
        ValueError: ``image_rgb`` or ``cam`` has a wrong shape or type, ``alpha`` is outside [0,1],
            or ``colormap`` is unknown.
    """
    image, cam = check_image(image_rgb), np.asarray(cam, np.float32)
    if cam.ndim != 2 or not cam.size:
        raise ValueError(f'a class activation map to draw has shape (h,w), got {cam.shape}')
    if colormap not in colormaps:
        raise ValueError(f'{colormap!r} is not a matplotlib colour map')
    cam = np.clip(np.nan_to_num(cam, nan=0.0), 0, 1)
    height, width = image.shape[:2]
    if cam.shape != (height, width):
        cam = np.asarray(Image.fromarray(cam).resize((width, height), Image.Resampling.BILINEAR))
    colors = colormaps[colormap](np.arange(256), bytes=True)[:, :3]
    grey = np.asarray(Image.fromarray(image).convert('L'))[..., None]
    return _blend(grey, colors[np.rint(cam * 255).astype(np.uint8)], _check_alpha(alpha))


def overlay_mask(
    image_rgb: ArrayLike,
    mask: NDArray[Any],
    palette: NDArray[Any] | None = None,
    alpha: float = 0.7,
) -> NDArray[np.uint8]:
    """Blend the colours of a label map with its image; the inner border of each region is drawn
    opaque, in a light tint.

    Args:
        image_rgb (array): (H,W,3) uint8.
        mask (array): (h,w) integer labels, 0 background (shows the image), 255 ignore; resized to
            (H,W) by nearest neighbour.
        palette (array, optional): (P,3) uint8 colour of each label, P above the largest label;
            PASCAL VOC colours by default.
        alpha (float): Weight of the label colours in [0,1]; 0 shows only the image.

    Returns:
        ndarray: (H,W,3) uint8.

    Raises:
        ValueError: A shape or type is wrong, a label is outside the palette, or ``alpha`` is
            outside [0,1].
    """
    image, opacity = check_image(image_rgb), _check_alpha(alpha)
    palette = voc_palette() if palette is None else np.asarray(palette, np.uint8)
    mask = _check_labels(mask, len(palette))
    height, width = image.shape[:2]
    mask = _resize_labels(mask, height, width)
    border = _inner_border(mask, max(1, round(min(height, width) / 150)))
    colors, weight = palette[mask].astype(np.float32), np.full(mask.shape, opacity, np.float32)
    if alpha > 0:
        # halfway to white, so that dark classes stay visible in dark images
        colors[border], weight[border] = (colors[border] + 255) / 2, 1
    weight[mask == 0] = 0
    return _blend(image, colors, weight[..., None])


def sample_tiles(
    sample: Mapping[str, Any], *, side: int | None = None, palette: NDArray[Any] | None = None
) -> list[tuple[str, str, NDArray[np.uint8]]]:
    """Pictures of one sample: image, ground truth, CAM of each class, pseudo mask and segmentation,
    if they exist.

    Args:
        sample (dict): ``id``, ``image`` (H,W,3) uint8 RGB and, each optional or None, ``gt`` (h,w),
            ``cams`` list of K pairs ``(class name, (h,w) in [0,1])``, ``mask`` (h,w), ``seg``
            (h,w), ``tags`` list of names.
        side (int, optional): Longest side in pixels to which the pictures are scaled; by default
            they keep their size.
        palette (array, optional): See :func:`overlay_mask`.

    Returns:
        list[tuple[str, str, ndarray]]: Kind (``image``, ``gt``, ``cam``, ``mask`` or ``seg``),
        caption, (H,W,3) uint8 RGB picture.
    """
    image = check_image(sample['image'])
    height, width = image.shape[:2]
    if side is not None and max(height, width) != side:
        size = tuple(
            max(1, round(length * side / max(height, width))) for length in (width, height)
        )
        filtering = Image.Resampling.BOX if side < max(height, width) else Image.Resampling.BICUBIC
        image = np.asarray(Image.fromarray(image).resize(size, filtering))
    tiles = [('image', 'image', image)]
    if sample.get('gt') is not None:
        tiles.append(('gt', 'ground truth', overlay_mask(image, sample['gt'], palette)))
    for name, cam in sample.get('cams') or ():
        tiles.append(('cam', str(name), overlay_cam(image, cam)))
    for kind, caption in (('mask', 'pseudo mask'), ('seg', 'segmentation')):
        if sample.get(kind) is not None:
            tiles.append((kind, caption, overlay_mask(image, sample[kind], palette)))
    return tiles


def draw_cam_grid(
    rows: Sequence[Mapping[str, Any]], *, cell: int = 224, palette: NDArray[Any] | None = None
) -> NDArray[np.uint8]:
    """Several samples in one picture, one per row: image | ground truth | CAM of each class |
    pseudo mask | segmentation.

    Columns are aligned: a part that one sample lacks leaves its cell blank, and a part that all
    samples lack has no column.

    Args:
        rows (list[dict]): Samples as in :func:`sample_tiles`; sizes and K may differ, and K may be
            0.
        cell (int): Side in pixels of the square around one picture, at least 16.
        palette (array, optional): See :func:`overlay_mask`.

    Returns:
        ndarray: (H,W,3) uint8 RGB on white; see :func:`encode_image` for PNG bytes.

    Raises:
        ValueError: There are no rows, or ``cell`` is below 16.
    """
    if not rows or cell < 16:
        raise ValueError(
            f'a grid needs samples and cells of at least 16 pixels, got {len(rows)} samples and '
            f'{cell} pixels'
        )
    tiles = [sample_tiles(sample, side=cell, palette=palette) for sample in rows]
    counts = [Counter(tile[0] for tile in row) for row in tiles]
    # number of columns of each kind: the largest number that a sample needs
    widths: dict[str, int] = {}
    for kind in ('image', 'gt', 'cam', 'mask', 'seg'):
        widths[kind] = max(count[kind] for count in counts)
    starts = dict(zip(widths, np.cumsum([0, *widths.values()]).tolist()))
    row_heights = list(map(_row_height, tiles))
    canvas = Image.new(
        'RGB',
        (sum(widths.values()) * (cell + GAP) + GAP, sum(row_heights) + GAP * (len(rows) + 1)),
        'white',
    )
    draw = ImageDraw.Draw(canvas)
    font = ImageFont.truetype(str(Path(get_data_path()) / 'fonts' / 'ttf' / 'DejaVuSans.ttf'), 13)
    top = GAP
    for sample, row, row_height in zip(rows, tiles, row_heights):
        used = dict.fromkeys(widths, 0)
        for kind, caption, picture in row:
            left = GAP + (starts[kind] + used[kind]) * (cell + GAP)
            used[kind] += 1
            text = _shorten(
                str(sample.get('id', caption)) if kind == 'image' else caption, font, cell
            )
            draw.text(
                (left + (cell - font.getlength(text)) / 2, top + 3), text, fill=INK, font=font
            )
            canvas.paste(
                Image.fromarray(picture),
                (left + (cell - picture.shape[1]) // 2, top + CAPTION_HEIGHT),
            )
        top += row_height + GAP
    return np.asarray(canvas)


def _row_height(row: Sequence[tuple[str, str, np.ndarray]]) -> int:
    """Height of a row of tiles: its tallest picture and the caption."""
    return max(picture.shape[0] for _, _, picture in row) + CAPTION_HEIGHT


def draw_picture_grid(
    titles: Sequence[str],
    rows: Sequence[tuple[str, Sequence[np.ndarray]]],
    *,
    cell: int = 160,
) -> np.ndarray:
    """Pictures in rows and columns, titles above the columns and names left of the rows.

    Args:
        titles: Titles of the columns.
        rows: Name and (H,W,3) uint8 RGB pictures of each row, one for every column.
        cell: Side in pixels of the square around one picture, at least 16.

    Returns:
        (H,W,3) uint8 RGB on white; see :func:`encode_image` for PNG bytes.

    Raises:
        ValueError: There are no rows, a row differs in length from the titles, or ``cell`` is below
            16.
    """
    wrong = [name for name, pictures in rows if len(pictures) != len(titles)]
    if not rows or wrong or cell < 16:
        raise ValueError(
            f'a grid needs rows of {len(titles)} pictures and cells of at least 16 pixels, got '
            f'{len(rows)} rows, wrong {wrong[:3]}, and {cell} pixels'
        )
    font = ImageFont.truetype(str(Path(get_data_path()) / 'fonts' / 'ttf' / 'DejaVuSans.ttf'), 13)
    tiles, heights = [], []
    for _, pictures in rows:
        row = [_fit(check_image(picture), cell) for picture in pictures]
        tiles.append(row)
        heights.append(max(tile.height for tile in row) + CAPTION_HEIGHT)
    width = len(titles) * (cell + GAP) + GAP
    canvas = Image.new('RGB', (width, CAPTION_HEIGHT + sum(heights) + GAP), 'white')
    draw = ImageDraw.Draw(canvas)
    for column, title in enumerate(titles):
        text = _shorten(title, font, cell)
        left = GAP + column * (cell + GAP) + (cell - font.getlength(text)) / 2
        draw.text((left, 4), text, fill=INK, font=font)
    top = CAPTION_HEIGHT
    for (name, _), row, height in zip(rows, tiles, heights):
        draw.text((GAP, top + 3), _shorten(name, font, width - 2 * GAP), fill=INK, font=font)
        for column, tile in enumerate(row):
            left = GAP + column * (cell + GAP) + (cell - tile.width) // 2
            canvas.paste(tile, (left, top + CAPTION_HEIGHT))
        top += height
    return np.asarray(canvas)


def _fit(picture: np.ndarray, cell: int) -> Image.Image:
    """A picture resized to ``cell`` pixels along its longest side."""
    height, width = picture.shape[:2]
    scale = cell / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    filtering = Image.Resampling.BOX if scale < 1 else Image.Resampling.BICUBIC
    return Image.fromarray(picture).resize(size, filtering)


def encode_image(image_rgb: ArrayLike, kind: str = 'PNG') -> bytes:
    """Bytes of an image file.

    Args:
        image_rgb (array): (H,W,3) uint8.
        kind (str): ``'PNG'``, or ``'JPEG'`` for small files of photographs.
    """
    buffer = io.BytesIO()
    options = {'quality': 88, 'subsampling': 0} if kind == 'JPEG' else {'optimize': True}
    Image.fromarray(check_image(image_rgb)).save(buffer, kind, **options)
    return buffer.getvalue()


def check_image(image_rgb: ArrayLike) -> NDArray[np.uint8]:
    """The image as a contiguous array (H,W,3) uint8 for drawing.

    Raises:
        ValueError: The shape or the type is wrong.
    """
    image = np.asarray(image_rgb)
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or not image.size:
        raise ValueError(
            f'an image to draw on is uint8 of shape (H,W,3), got {image.dtype} of shape '
            f'{image.shape}'
        )
    return np.ascontiguousarray(image)


def _check_alpha(alpha: float) -> np.float32:
    if not 0 <= alpha <= 1:
        raise ValueError(f'alpha is a weight in [0,1], got {alpha}')
    return np.float32(alpha)


def _blend(
    image: NDArray[np.uint8], colors: NDArray[Any], weight: np.float32 | NDArray[Any]
) -> NDArray[np.uint8]:
    """``image + weight * (colors - image)``, rounded; ``image`` is (H,W,3) or (H,W,1), ``weight`` a
    number or (H,W,1).
    """
    base = image.astype(np.float32)
    return np.rint(base + weight * (colors.astype(np.float32) - base)).astype(np.uint8)


def _check_labels(mask: NDArray[Any], num_colors: int) -> NDArray[np.int64]:
    mask = np.asarray(mask)
    if mask.ndim != 2 or not mask.size or mask.dtype.kind not in 'iub':
        raise ValueError(
            f'a label map to draw has integers of shape (h,w), got {mask.dtype} of shape '
            f'{mask.shape}'
        )
    mask = mask.astype(np.int64)
    if mask.min() < 0 or mask.max() >= num_colors:
        raise ValueError(
            f'labels {mask.min()}..{mask.max()} do not fit a palette of {num_colors} colours'
        )
    return mask


def _resize_labels(mask: NDArray[Any], height: int, width: int) -> NDArray[Any]:
    """(H,W) labels: the nearest cell of each pixel centre, computed in integers and exact for any
    size.
    """
    rows = (2 * np.arange(height) + 1) * mask.shape[0] // (2 * height)
    columns = (2 * np.arange(width) + 1) * mask.shape[1] // (2 * width)
    return mask[rows[:, None], columns]


def _inner_border(mask: NDArray[Any], thickness: int) -> NDArray[np.bool_]:
    """(H,W) bool: pixels whose label changes within ``thickness`` steps along a row or a column."""
    border = np.zeros(mask.shape, bool)
    for step in range(1, thickness + 1):
        down, right = mask[step:] != mask[:-step], mask[:, step:] != mask[:, :-step]
        # a change marks the pixels on both sides of it
        border[step:] |= down
        border[:-step] |= down
        border[:, step:] |= right
        border[:, :-step] |= right
    return border


def _shorten(text: str, font: ImageFont.FreeTypeFont, width: float) -> str:
    """``text`` on one line, cut to ``width`` pixels, with an ellipsis if it was cut."""
    text = ' '.join(text.split())
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(f'{text}…') > width:
        text = text[:-1]
    return f'{text}…'
