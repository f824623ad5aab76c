"""Toy shapes: a procedural multi-label data set in VOC layout, for demos, tests and experiments
without a download.

It reproduces the problem of weak supervision at small scale: each class has a small part that no
other class has (which is sufficient for a classifier) on a larger body whose shape and hue are less
discriminative (which a mask has to cover); one class, the boat, nearly always occurs with the same
background, water; grey distractors and textured backgrounds do not belong to any class.
:class:`ToyDifficulty` contains all settings.
"""

import colorsys
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from rich.console import Console
from rich.progress import track

from mmwsss.utils.io import atomic_open, read_json, read_mask, write_json, write_mask, write_tags
from mmwsss.utils.pool import forked_map

MARKER, PARTIAL_MARKER = 'toy_shapes.json', 'toy_shapes.partial.json'
BODY, TRIM, PART = 1, 2, 3  # layers of a drawing; the trim is a darker tone of the body
JPEG_QUALITY = 95
_Job = tuple[Path, str, int, dict[str, Any]]  # root, split, number of the image, settings
Polygon = tuple[tuple[float, float], ...]
Color = tuple[int, int, int]
FORMAT = 2  # to be increased when a change of this file changes the images


class ToyDifficulty(NamedTuple):
    """Difficulty of the data set; values are fractions unless stated otherwise."""

    # standard deviation of the body's hue, in turns of the colour circle (class hues are 0.11 apart
    # on average)
    body_noise: float = 0.05
    body_texture: float = 0.25  # contrast of the blotches on a body
    part_scale: float = 1.0  # size of the discriminative part relative to its drawing
    part_hidden: float = 0.3  # share of objects drawn without their part
    shape_noise: float = 0.18  # spread of aspect ratio and shear
    rotation: float = 15.0  # largest rotation, degrees
    area_low: float = 0.09  # smallest and largest object, share of the image
    area_high: float = 0.22
    max_overlap: float = 0.2  # share of an object that a later one may cover
    same_class: float = 0.15  # probability that an object repeats the class of the previous one
    cooccurrence: float = 0.9  # share of boat images that show water
    water_elsewhere: float = 0.03  # share of other images that show water
    distractors: int = 3  # largest number of grey shapes in an image
    background_saturation: float = 0.35  # largest saturation of a background
    pixel_noise: float = 4.0  # standard deviation, grey levels of 255


class ToyClass(NamedTuple):
    """Drawing of a class on the square [-1,1]x[-1,1] (y down): polygons with their layer, and the
    pattern of the part.
    """

    name: str
    hue: float
    polygons: tuple[tuple[int, Polygon], ...]
    pattern: str
    colors: tuple[Color, Color]


def _box(x0: float, y0: float, x1: float, y1: float) -> Polygon:
    return ((x0, y0), (x1, y0), (x1, y1), (x0, y1))


def _ellipse(x: float, y: float, rx: float, ry: float, points: int = 20) -> Polygon:
    angle = np.linspace(0, 2 * np.pi, points, endpoint=False)
    return tuple(zip((x + rx * np.cos(angle)).tolist(), (y + ry * np.sin(angle)).tolist()))


TOY_CLASSES = (
    ToyClass(
        'kite',
        0.92,
        (
            (BODY, ((0, -1), (0.75, -0.15), (0, 0.8), (-0.75, -0.15))),
            (TRIM, ((0, -1), (0.75, -0.15), (0, -0.15))),
            (TRIM, ((0, 0.8), (0, -0.15), (-0.75, -0.15))),
            (PART, ((0, 0.62), (0.36, 0.42), (0.36, 1.0), (0, 0.8), (-0.36, 1.0), (-0.36, 0.42))),
        ),
        'checker',
        ((230, 40, 190), (255, 245, 250)),
    ),
    ToyClass(
        'boat',
        0.60,
        (
            (BODY, ((-1, 0.28), (1, 0.28), (0.65, 0.95), (-0.65, 0.95))),
            (TRIM, _box(-0.06, -0.95, 0.06, 0.35)),
            (BODY, ((0.06, -0.78), (0.88, 0.14), (0.06, 0.14))),
            (TRIM, ((-0.06, -0.5), (-0.06, 0.14), (-0.72, 0.14))),
            (PART, _box(-0.62, -1.0, 0.0, -0.56)),
        ),
        'bands',
        ((220, 25, 35), (250, 250, 250)),
    ),
    ToyClass(
        'lamp',
        0.13,
        (
            (TRIM, _box(-0.1, -0.1, 0.1, 0.8)),
            (BODY, _ellipse(0, 0.82, 0.6, 0.2)),
            (BODY, ((-0.42, -0.95), (0.42, -0.95), (0.9, 0.05), (-0.9, 0.05))),
            (PART, _ellipse(0, 0.12, 0.32, 0.28)),
        ),
        'glow',
        ((255, 255, 225), (255, 215, 0)),
    ),
    ToyClass(
        'tree',
        0.33,
        (
            (TRIM, _box(-0.16, 0.2, 0.16, 1.0)),
            (BODY, _ellipse(0, -0.45, 0.6, 0.52)),
            (BODY, _ellipse(-0.45, 0.0, 0.5, 0.42)),
            (BODY, _ellipse(0.45, 0.0, 0.5, 0.42)),
            (PART, _ellipse(-0.45, 0.08, 0.17, 0.17)),
            (PART, _ellipse(0.4, -0.02, 0.17, 0.17)),
            (PART, _ellipse(0.02, -0.5, 0.17, 0.17)),
        ),
        'glow',
        ((255, 90, 80), (200, 0, 20)),
    ),
    ToyClass(
        'robot',
        0.45,
        (
            (BODY, _box(-0.5, -0.25, 0.5, 0.5)),
            (TRIM, _box(-0.4, 0.42, -0.12, 1.0)),
            (TRIM, _box(0.12, 0.42, 0.4, 1.0)),
            (TRIM, _box(-0.8, -0.2, -0.5, 0.4)),
            (TRIM, _box(0.5, -0.2, 0.8, 0.4)),
            (BODY, _box(-0.42, -0.95, 0.42, -0.2)),
            (PART, _box(-0.32, -0.85, 0.32, -0.5)),
        ),
        'checker',
        ((0, 235, 235), (15, 15, 30)),
    ),
    ToyClass(
        'fish',
        0.08,
        (
            (TRIM, ((0.45, 0), (1, -0.55), (0.85, 0), (1, 0.55))),
            (BODY, _ellipse(-0.2, 0, 0.8, 0.5)),
            (PART, ((-0.3, -0.42), (0.05, -0.9), (0.3, -0.4), (0.1, -0.12), (-0.2, -0.15))),
        ),
        'stripes',
        ((255, 130, 0), (20, 15, 10)),
    ),
    ToyClass(
        'car',
        0.72,
        (
            (BODY, ((-1, 0.0), (1, 0.0), (0.95, 0.45), (-0.95, 0.45))),
            (TRIM, ((-0.6, 0.06), (-0.35, -0.45), (0.35, -0.45), (0.7, 0.06))),
            (PART, _ellipse(-0.52, 0.45, 0.27, 0.27)),
            (PART, _ellipse(0.52, 0.45, 0.27, 0.27)),
        ),
        'rings',
        ((10, 10, 10), (245, 245, 245)),
    ),
    ToyClass(
        'house',
        0.0,
        (
            (BODY, _box(-0.75, -0.15, 0.75, 0.95)),
            (TRIM, ((0, -1), (1, -0.08), (-1, -0.08))),
            (TRIM, _box(0.3, 0.35, 0.6, 0.95)),
            (PART, _box(-0.55, 0.1, -0.02, 0.58)),
        ),
        'panes',
        ((30, 70, 255), (250, 250, 255)),
    ),
)
TOY_CLASS_NAMES = ('background', *(kind.name for kind in TOY_CLASSES))
BOAT = TOY_CLASS_NAMES.index('boat') - 1
BACKGROUNDS = ('clouds', 'stripes', 'tiles', 'gradient', 'sand')


def render_toy_image(
    rng: np.random.Generator,
    *,
    height: int = 96,
    width: int = 96,
    difficulty: ToyDifficulty | None = None,
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Draw one image.

    Args:
        rng (numpy.random.Generator): Source of every choice.
        height (int): H, pixels.
        width (int): W, pixels.
        difficulty (ToyDifficulty, optional): Settings.

    Returns:
        tuple: RGB image (H,W,3) uint8 and mask (H,W) uint8, 0 background, class c is c+1.
    """
    difficulty = difficulty or ToyDifficulty()
    classes = [int(rng.integers(len(TOY_CLASSES)))]
    for _ in range(rng.choice(3, p=(0.35, 0.4, 0.25))):
        repeat = rng.random() < difficulty.same_class
        classes.append(classes[-1] if repeat else int(rng.integers(len(TOY_CLASSES))))
    water = rng.random() < (
        difficulty.cooccurrence if BOAT in classes else difficulty.water_elsewhere
    )
    kind = 'water' if water else str(rng.choice(BACKGROUNDS))
    image = _background(rng, height, width, kind, difficulty.background_saturation)
    for _ in range(rng.integers(difficulty.distractors + 1)):
        _draw_distractor(rng, image)
    owner = np.zeros((height, width), np.uint8)  # number of the visible object at a pixel
    areas: list[int] = []
    mask = np.zeros((height, width), np.uint8)
    for index in classes:
        placed = _place(rng, TOY_CLASSES[index], owner, areas, difficulty)
        if placed is None:
            continue
        layer, matrix, center = placed
        _paint(rng, image, layer, matrix, center, TOY_CLASSES[index], difficulty)
        mask[layer > 0] = index + 1
        areas.append(int(np.count_nonzero(layer)))
        owner[layer > 0] = len(areas)
    image += difficulty.pixel_noise * rng.standard_normal(image.shape, np.float32)
    return np.clip(image, 0, 255).round().astype(np.uint8), mask


def _noise(rng: np.random.Generator, height: int, width: int, cells: int) -> NDArray[np.float32]:
    """Smooth noise (H,W) float32 in about [-1,1] with ``cells`` random values along the longer
    side.
    """
    grid = rng.uniform(
        -1,
        1,
        (max(2, cells * height // max(height, width)), max(2, cells * width // max(height, width))),
    )
    return np.asarray(
        Image.fromarray(grid.astype(np.float32)).resize((width, height), Image.Resampling.BICUBIC)
    )


def _color(hue: float, saturation: float, value: float) -> NDArray[np.float32]:
    """RGB colour (3,) float32 in [0,255]."""
    saturation, value = (float(np.clip(part, 0, 1)) for part in (saturation, value))
    return 255 * np.array(colorsys.hsv_to_rgb(hue % 1, saturation, value), np.float32)


def _background(
    rng: np.random.Generator, height: int, width: int, kind: str, saturation: float
) -> NDArray[np.float32]:
    """Textured background (H,W,3) float32."""
    y, x = np.mgrid[:height, :width].astype(np.float32)
    if kind == 'water':
        first, second = (
            _color(rng.uniform(0.52, 0.6), 0.65, 0.75),
            _color(rng.uniform(0.55, 0.62), 0.75, 0.5),
        )
        wave = np.sin(
            y * rng.uniform(0.7, 0.95)
            + 1.5 * np.sin(x * rng.uniform(0.15, 0.25) + rng.uniform(0, 6))
        )
        blend = 0.5 + 0.5 * wave
    else:
        first = _color(rng.random(), rng.uniform(0, saturation), rng.uniform(0.35, 0.9))
        second = _color(rng.random(), rng.uniform(0, saturation), rng.uniform(0.35, 0.9))
        blend = _background_pattern(rng, kind, x, y)
    blend = np.clip(blend, 0, 1)[..., None].astype(np.float32)
    image = first * blend + second * (1 - blend)
    return image * (1 + 0.12 * _noise(rng, height, width, 8)[..., None])


def _background_pattern(
    rng: np.random.Generator, kind: str, x: NDArray[np.float32], y: NDArray[np.float32]
) -> NDArray[Any]:
    """Share of the first colour, (H,W) in about [0,1], at the pixels ``x``, ``y`` (H,W)."""
    height, width = x.shape
    angle = rng.uniform(0, np.pi)
    along = x * np.cos(angle) + y * np.sin(angle)
    if kind == 'clouds':
        return 0.5 + 0.5 * _noise(rng, height, width, 6)
    if kind == 'stripes':
        frequency = rng.uniform(0.3, 0.9)
        # noise in the phase bends the stripes
        return 0.5 + 0.5 * np.sin(along * frequency + 1.5 * _noise(rng, height, width, 4))
    if kind == 'tiles':
        side = rng.uniform(5, 14)
        # rotated by the same angle, so that squares remain squares
        across = y * np.cos(angle) - x * np.sin(angle)
        return ((np.floor(along / side) + np.floor(across / side)) % 2).astype(np.float32)
    if kind == 'gradient':
        return (along - along.min()) / max(float(np.ptp(along)), 1e-6)
    return rng.random((height, width), np.float32)


def _draw_distractor(rng: np.random.Generator, image: NDArray[np.float32]) -> None:
    """Draw a grey polygon that belongs to no class onto ``image``."""
    height, width = image.shape[:2]
    radius = rng.uniform(0.08, 0.2) * np.sqrt(height * width)
    angle = np.sort(rng.uniform(0, 2 * np.pi, rng.integers(3, 9)))
    points = np.stack(
        [
            rng.uniform(0, width) + radius * np.cos(angle),
            rng.uniform(0, height) + radius * np.sin(angle),
        ],
        1,
    )
    shape = Image.new('1', (width, height))
    ImageDraw.Draw(shape).polygon([tuple(point) for point in points.tolist()], fill=1)
    inside = np.asarray(shape)
    shade = rng.uniform(60, 200) * (1 + 0.3 * _noise(rng, height, width, int(rng.integers(6, 24))))
    image[inside] = shade[inside, None]


def _rasterize(
    kind: ToyClass,
    matrix: NDArray[np.float64],
    center: Sequence[float] | NDArray[np.float64],
    size: tuple[int, int],
    part_scale: float = 1.0,
) -> NDArray[np.uint8]:
    """Layer map (H,W) uint8 of a drawing under the affine map ``matrix @ point + center``;
    ``part_scale`` 0 leaves out the part.
    """
    canvas = Image.new('L', (size[1], size[0]))
    draw = ImageDraw.Draw(canvas)
    for layer, polygon in kind.polygons:
        points = np.asarray(polygon, np.float64)
        if layer == PART:
            if part_scale == 0:
                continue
            middle = points.mean(0)
            points = middle + (points - middle) * part_scale
        draw.polygon([tuple(point) for point in (points @ matrix.T + center).tolist()], fill=layer)
    return np.asarray(canvas)


UNIT_AREAS = {
    kind.name: 4 * float((_rasterize(kind, np.eye(2) * 64, (64, 64), (128, 128)) > 0).mean())
    for kind in TOY_CLASSES
}


def _place(
    rng: np.random.Generator,
    kind: ToyClass,
    owner: NDArray[np.uint8],
    areas: Sequence[int],
    difficulty: ToyDifficulty,
    tries: int = 12,
) -> tuple[NDArray[np.uint8], NDArray[np.float64], NDArray[np.float64]] | None:
    """Find a pose that leaves enough of the earlier objects visible.

    Returns:
        tuple | None: Layer map (H,W), matrix (2,2) and centre (2,) of the pose, or None if no
            attempt fits.
    """
    height, width = owner.shape
    whole = np.asarray(areas, np.int64)
    # pixels already hidden by later objects count, because the limit applies to all of them
    # together
    lost = whole - np.bincount(owner.ravel(), minlength=len(areas) + 1)[1:]
    for _ in range(tries):
        area = rng.uniform(difficulty.area_low, difficulty.area_high) * height * width
        scale = np.sqrt(area / UNIT_AREAS[kind.name])
        # the stretch and its reciprocal below preserve the area
        stretch = np.exp(rng.uniform(-0.5, 0.5) * difficulty.shape_noise * 2)
        shear = rng.uniform(-1, 1) * difficulty.shape_noise
        angle = np.deg2rad(rng.uniform(-1, 1) * difficulty.rotation)
        rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        mirror = rng.choice((-1.0, 1.0))
        matrix = scale * rotation @ np.array([[mirror * stretch, shear], [0, 1 / stretch]])
        half = np.abs(matrix).sum(1) * 0.9  # most drawings leave the corners of their square empty
        limit = np.array([width, height]) / 2
        matrix = matrix * min(1.0, float((limit / half).min()))  # large objects shrink to fit
        half = np.minimum(half, limit)
        center = rng.uniform(half, np.array([width, height]) - half)
        part_scale = 0 if rng.random() < difficulty.part_hidden else difficulty.part_scale
        layer = _rasterize(kind, matrix, center, (height, width), part_scale)
        hidden = np.bincount(owner[layer > 0], minlength=len(areas) + 1)[1:] + lost
        if (hidden <= difficulty.max_overlap * whole).all():
            return layer, matrix, center
    return None


def _paint(
    rng: np.random.Generator,
    image: NDArray[np.float32],
    layer: NDArray[np.uint8],
    matrix: NDArray[np.float64],
    center: NDArray[np.float64],
    kind: ToyClass,
    difficulty: ToyDifficulty,
) -> None:
    """Colour the body, its trim and the part of one object in ``image`` (H,W,3) float32."""
    hue = kind.hue + rng.normal(0, difficulty.body_noise)
    body = _color(hue, rng.uniform(0.35, 0.85), rng.uniform(0.5, 0.95))
    height, width = layer.shape
    cells = int(rng.integers(8, 20))
    texture = 1 + difficulty.body_texture * _noise(rng, height, width, cells)
    for number, shade in ((BODY, 1.0), (TRIM, 0.72)):
        where = layer == number
        image[where] = shade * body * texture[where, None]
    rows, columns = np.nonzero(layer == PART)
    x, y = (np.stack([columns - center[0], rows - center[1]], 1) @ np.linalg.inv(matrix).T).T
    first, second = np.array(kind.colors, np.float32)
    blend = _part_pattern(kind, x, y).astype(np.float32)[:, None]
    image[rows, columns] = first * (1 - blend) + second * blend


def _part_pattern(kind: ToyClass, x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[Any]:
    """Share of the second colour, (P,) in [0,1], at the drawing coordinates ``x``, ``y`` (P,) of
    the part.
    """
    if kind.pattern == 'checker':
        return (np.floor(x / 0.17) + np.floor(y / 0.17)) % 2
    if kind.pattern == 'bands':
        return np.floor(y / 0.15) % 2
    if kind.pattern == 'stripes':
        return np.floor(x / 0.12) % 2
    if kind.pattern == 'panes':
        box = np.asarray(next(polygon for layer, polygon in kind.polygons if layer == PART))
        middle = box.mean(0)
        return (np.minimum(np.abs(x - middle[0]), np.abs(y - middle[1])) < 0.06).astype(np.float32)
    middles = np.stack([np.mean(polygon, 0) for layer, polygon in kind.polygons if layer == PART])
    # rings and gradients are centred on the nearest of several parts, such as two wheels
    distance = (
        np.hypot(x[:, None] - middles[:, 0], y[:, None] - middles[:, 1]).min(1) if x.size else x
    )
    if kind.pattern == 'rings':
        return ((distance < 0.09) | ((distance > 0.15) & (distance < 0.2))).astype(np.float32)
    return np.clip(distance / 0.3, 0, 1)


def write_toy_shapes(
    root: str | Path,
    *,
    train: int = 1100,
    val: int = 150,
    test: int = 150,
    seed: int = 0,
    size: int | Sequence[int] = (96, 128),
    workers: int = 2,
    difficulty: ToyDifficulty | None = None,
    overwrite: bool = False,
) -> bool:
    """Write the data set in VOC layout: ``JPEGImages``, ``SegmentationClass``,
    ``ImageSets/Segmentation/<split>.txt``, ``image_tags.csv`` and ``classes.txt``. An interrupted
    run is continued; the result does not depend on ``workers``.

    Args:
        root (str | Path): Folder of the data set, which is created.
        train, val, test (int): Number of images of each split; a split of 0 images is left out.
        seed (int): Each image has its own random stream, derived from the seed, its split and its
            number.
        size (int | tuple): Side of square images, pixels; or ``(low, high)``: each side is drawn
            from that range in steps of 8.
        workers (int): Processes.
        difficulty (ToyDifficulty, optional): Settings.
        overwrite (bool): Replace a toy set with other settings.

    Returns:
        bool: False if the set already existed, complete and with the same settings.

    Raises:
        FileExistsError: ``root`` contains a toy set with other settings, or other files.
        ValueError: A count is negative, or the size is invalid.
    """
    root = Path(root)
    difficulty = difficulty or ToyDifficulty()
    counts = {'train': train, 'val': val, 'test': test}
    settings = _checked_settings(counts, seed, size, difficulty)
    if _is_complete(root, settings, overwrite):
        return False
    write_json(root / PARTIAL_MARKER, settings)
    for folder in ('JPEGImages', 'SegmentationClass'):
        (root / folder).mkdir(parents=True, exist_ok=True)
    tags = _write_images(root, counts, settings, workers)
    for split, count in counts.items():
        if count:
            path = root / 'ImageSets' / 'Segmentation' / f'{split}.txt'
            _write_lines(path, (_image_id(split, index) for index in range(count)))
    _write_lines(root / 'classes.txt', TOY_CLASS_NAMES)
    write_tags(root / 'image_tags.csv', tags)
    write_json(root / MARKER, settings)
    (root / PARTIAL_MARKER).unlink()
    return True


def _checked_settings(
    counts: dict[str, int], seed: int, size: int | Sequence[int], difficulty: ToyDifficulty
) -> dict[str, Any]:
    """Settings as they are stored with the data set."""
    low, high = (size, size) if isinstance(size, int) else tuple(size)
    if not 32 <= low <= high:
        raise ValueError(f'size: sides must satisfy 32 <= low <= high, got {low} and {high}')
    if min(counts.values()) < 0 or not any(counts.values()):
        raise ValueError(
            f'train, val, test: image counts must not be negative nor all 0, got '
            f'{", ".join(map(str, counts.values()))}'
        )
    return {
        'format': FORMAT,
        'seed': seed,
        'size': [low, high],
        **counts,
        'difficulty': difficulty._asdict(),
    }


def _write_images(
    root: Path, counts: dict[str, int], settings: dict[str, Any], workers: int
) -> dict[str, list[str]]:
    """Write all missing images. Returns the tags of all images."""
    jobs: list[_Job] = []
    for split, count in counts.items():
        jobs += [(root, split, index, settings) for index in range(count)]
    results = forked_map(_write_image, jobs, workers, chunk=32)
    return dict(track(results, 'toy shapes', len(jobs), console=Console(stderr=True)))


def _is_complete(root: Path, settings: dict[str, Any], overwrite: bool) -> bool:
    """Whether ``root`` contains exactly this data set; the files of another toy set are removed if
    requested.
    """
    marker = next(
        (root / name for name in (MARKER, PARTIAL_MARKER) if (root / name).is_file()), None
    )
    if marker is None:
        if root.is_dir() and any(root.iterdir()):
            raise FileExistsError(
                f'{root}: the folder is not empty and holds no toy set; choose another folder '
                f'(--out)'
            )
        return False
    if read_json(marker) == settings:
        return marker.name == MARKER
    if not overwrite and marker.name == MARKER:
        raise FileExistsError(
            f'{root}: holds a toy set with other settings (see {marker}); choose another --out or '
            f'pass --overwrite'
        )
    marker.unlink()
    for folder in ('JPEGImages', 'SegmentationClass', 'ImageSets'):
        shutil.rmtree(root / folder, ignore_errors=True)
    return False


def _image_id(split: str, index: int) -> str:
    return f'{split}_{index:05d}'


def _write_lines(path: Path, lines: Iterable[str]) -> None:
    with atomic_open(path, 'w', encoding='utf-8') as file:
        file.writelines(f'{line}\n' for line in lines)


def _write_image(job: _Job) -> tuple[str, list[str]]:
    """Render and write one image and its mask unless both exist. Returns its id and tags."""
    root, split, index, settings = job
    name = _image_id(split, index)
    image_path = root / 'JPEGImages' / f'{name}.jpg'
    mask_path = root / 'SegmentationClass' / f'{name}.png'
    if image_path.is_file() and mask_path.is_file():
        mask = read_mask(mask_path)
    else:
        stream = settings['seed'], ('train', 'val', 'test').index(split), index
        rng = np.random.default_rng(stream)
        low, high = settings['size']
        height, width = low + 8 * rng.integers((high - low) // 8 + 1, size=2)
        difficulty = ToyDifficulty(**settings['difficulty'])
        image, mask = render_toy_image(
            rng, height=int(height), width=int(width), difficulty=difficulty
        )
        with atomic_open(image_path) as file:
            Image.fromarray(image).save(file, 'JPEG', quality=JPEG_QUALITY, subsampling=0)
        write_mask(mask_path, mask)
    return name, [TOY_CLASS_NAMES[value] for value in np.unique(mask) if value]
