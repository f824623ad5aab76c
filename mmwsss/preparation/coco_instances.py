"""Instance annotations of MS COCO as image tags and label maps, without holding the annotation file
in memory.
"""

import math
from array import array
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mmwsss.preparation.check_report import CheckReport
from mmwsss.preparation.file_check import check_image, image_problem
from mmwsss.preparation.instance_masks import paint_instances, paint_order
from mmwsss.preparation.json_stream import JSONArrays, read_json_part
from mmwsss.utils.class_lists import COCO_CLASSES
from mmwsss.utils.io import write_mask
from mmwsss.utils.limits import check_pixels
from mmwsss.utils.names import name_problem
from mmwsss.utils.run_lengths import unpack_runs

CATEGORY_IDS = tuple(
    number for number in range(1, 91) if number not in (12, 26, 29, 30, 45, 66, 68, 69, 71, 83)
)
LABELS = {category: label for label, category in enumerate(CATEGORY_IDS, 1)}
CROWDS = ('paint', 'ignore')
FEWEST_COORDINATES = 6  # fewest coordinates of a polygon
# pixels; pycocotools has no bounds check: distant coordinates, NaN or None crash the process
FARTHEST = 1e6
NUMBERS = frozenset({int, float})


class COCOImage(NamedTuple):
    """Image of an annotation file."""

    img_id: str
    file_name: str
    size: tuple[int, int]  # (H,W)
    labels: tuple[int, ...]  # different labels 1..80, ascending
    places: tuple[
        tuple[int, int], ...
    ]  # (first byte, number of bytes) of each annotation, in file order


class COCOMaskJob(NamedTuple):
    """Job of a worker: all inputs for writing one mask."""

    annotations: str  # the JSON file
    places: tuple[tuple[int, int], ...]
    size: tuple[int, int]
    target: str
    overlap: str
    crowd: str


def index_annotations(
    path: str | Path, report: CheckReport, tell: Callable[..., object] | None = None
) -> list[COCOImage]:
    """Read an instance annotation file once, and index the annotations of each image.

    Args:
        path (str | Path): ``instances_*.json``.
        report (CheckReport): Report that receives categories outside the 80, annotations of missing
            images, invalid shapes, run lengths that do not fit their image, malformed entries and
            repeated images.
        tell (Callable, optional): Function that is called with ``completed=``, the number of bytes
            read so far.

    Returns:
        list[COCOImage]: Images sorted by id, including those without annotation.

    Raises:
        FileNotFoundError: The file does not exist.
        ValueError: The file is not JSON, or is truncated. The message names the file.
    """
    index = _Index(path, report)
    for name, element, start, length in JSONArrays(path, ('images', 'annotations', 'categories')):
        if name == 'images':
            index.add_image(element)
        elif name == 'categories':
            _check_category(element, path, report)
        else:
            index.add_annotation(element, start, length)
            if tell is not None and not len(index.starts) % 1000:
                tell(completed=start)
    return index.result()


class _Index:
    """Index of :func:`index_annotations` for a file, with a few numbers per annotation.

    Args:
        path (str | Path): The file, for messages.
        report (CheckReport): Report that receives the problems.
    """

    def __init__(self, path: str | Path, report: CheckReport) -> None:
        self.path, self.report = path, report
        self.images: dict[int, tuple[str, tuple[int, int]]] = {}  # file name, (H,W)
        self.stems: set[str] = set()
        # image, label, first byte and number of bytes of each annotation
        self.owners, self.labels = array('q'), array('B')
        self.starts, self.lengths = array('q'), array('l')
        # run lengths of images that were not listed yet: annotation, image, extent
        self.early: list[tuple[Any, int, tuple[int, int, int]]] = []

    def add_image(self, element: Any) -> None:
        """Add an entry of ``images``."""
        problem = image_entry_problem(element, self.path)
        if problem is not None:
            self.report.problem(problem[0], self.path, problem[1])
            return
        number, file_name = element['id'], element['file_name']
        stem = Path(file_name).stem
        if number in self.images or stem in self.stems:
            self.report.problem('image listed twice', self.path, f'id {number}, {file_name}')
        self.stems.add(stem)
        self.images[number] = file_name, (element['height'], element['width'])

    def add_annotation(self, element: Any, start: int, length: int) -> None:
        """Add an entry of ``annotations`` and its position in the file."""
        wrong = annotation_problem(element)
        if wrong:
            name = element.get('id') if isinstance(element, dict) else f'at byte {start}'
            self.report.problem(wrong[0], self.path, f'annotation {name}: {wrong[1]}')
            return
        self._check_shape(element, element['segmentation'])
        self.owners.append(element['image_id'])
        self.labels.append(LABELS[element['category_id']])
        self.starts.append(start)
        self.lengths.append(length)

    def _check_shape(self, element: dict[str, Any], shape: Any) -> None:
        """Report a segmentation that does not fit the image, or has no area."""
        if isinstance(shape, dict):
            run = element.get('id'), element['image_id'], rle_extent(shape)
            if element['image_id'] in self.images:
                self._check_runs(*run)
            else:
                self.early.append(run)  # images may be listed after the annotations
        elif not shape or len(areal(shape)) < len(shape):
            self.report.note(
                'polygons of fewer than three points: not painted, their tags count',
                self.path,
                f'annotation {element.get("id")}',
            )

    def result(self) -> list[COCOImage]:
        """The images, sorted by id; problems that require the whole file are reported."""
        for name, owner, extent in self.early:
            if owner in self.images:  # otherwise reported below
                self._check_runs(name, owner, extent)
        grouped: dict[int, list[int]] = {}
        for index, owner in enumerate(self.owners):
            grouped.setdefault(owner, []).append(index)
        for owner in sorted(grouped.keys() - self.images.keys()):
            self.report.problem(
                'annotations of an image that the file does not list',
                self.path,
                f'image {owner}, {len(grouped[owner])} annotations',
            )
        return sorted(self._image(number, grouped.get(number, [])) for number in self.images)

    def _image(self, number: int, annotations: list[int]) -> COCOImage:
        file_name, size = self.images[number]
        labels = tuple(sorted({self.labels[index] for index in annotations}))
        places = tuple((self.starts[index], self.lengths[index]) for index in annotations)
        return COCOImage(Path(file_name).stem, file_name, size, labels, places)

    def _check_runs(self, name: Any, owner: int, extent: tuple[int, int, int]) -> None:
        """Report run lengths that differ in size from their image."""
        height, width = self.images[owner][1]
        if extent != (height, width, height * width):
            pixels = 'damaged runs' if extent[2] < 0 else f'runs of {extent[2]} pixels'
            self.report.problem(
                'RLE that does not fit its image (width x height)',
                self.path,
                f'annotation {name}: its mask is {extent[1]}x{extent[0]} with {pixels}, the image '
                f'{width}x{height}',
            )


def annotation_problem(annotation: Any) -> tuple[str, str] | None:
    """Problem of an annotation: (kind, detail), or None."""
    if not isinstance(annotation, dict):
        return 'annotation that is not an object', repr(annotation)[:60]
    lacking = [key for key in ('image_id', 'category_id', 'segmentation') if key not in annotation]
    if lacking:
        return 'annotation without a field', ', '.join(lacking)
    if not _is_id(annotation['image_id']):
        return 'annotation whose image_id is not an integer', f'image_id {annotation["image_id"]!r}'
    if type(annotation['category_id']) not in NUMBERS or annotation['category_id'] not in LABELS:
        return 'category outside the 80 of COCO 2014', f'category_id {annotation["category_id"]!r}'
    if type(annotation.get('area', 0)) not in NUMBERS:
        return 'annotation whose area is not a number', f'area {annotation["area"]!r}'
    shape = annotation['segmentation']
    if isinstance(shape, list) and all(map(_is_polygon, shape)):
        return None
    if isinstance(shape, dict) and _is_rle(shape):
        return None
    return 'segmentation that is neither a list of polygons nor RLE', repr(shape)[:60]


def _is_id(value: Any) -> bool:
    return type(value) is int and -1 << 63 <= value < 1 << 63  # the range of an array of type 'q'


def _is_polygon(value: Any) -> bool:
    return (
        isinstance(value, list)
        and NUMBERS.issuperset(map(type, value))
        and (
            # max() does not detect NaN
            not value or max(map(abs, value)) < FARTHEST and math.isfinite(sum(value))
        )
    )


def _is_rle(shape: dict[str, Any]) -> bool:
    size, counts = shape.get('size'), shape.get('counts')
    return (
        isinstance(size, list)
        and list(map(type, size)) == [int, int]
        and (
            isinstance(counts, str) or isinstance(counts, list) and set(map(type, counts)) <= {int}
        )
    )


def rle_extent(shape: dict[str, Any]) -> tuple[int, int, int]:
    """Height, width and number of pixels of run lengths; -1 pixels where they are damaged.

    pycocotools does not check them: runs that end early leave the rest of the mask uninitialised.

    Args:
        shape (dict): ``size`` (H, W) and ``counts``, a list or the packed string of pycocotools.
    """
    try:
        counts = (
            shape['counts'] if isinstance(shape['counts'], list) else unpack_runs(shape['counts'])
        )
    except ValueError:
        counts = [-1]
    height, width = shape['size']
    return height, width, -1 if min(counts, default=0) < 0 else sum(counts)


def areal(polygons: Iterable[list[float]]) -> list[list[float]]:
    """The polygons with an area, i.e. at least three points."""
    return [
        polygon
        for polygon in polygons
        if len(polygon) >= FEWEST_COORDINATES and not len(polygon) % 2
    ]


def check_coco_images(
    batch: Sequence[tuple[Path, tuple[int, int] | None]],
) -> list[tuple[str, Path, str]]:
    """Check several images, pairs (path, (H,W) of the annotation file or None).

    Returns:
        list: (kind, file, detail) of the images with a problem.
    """
    problems: list[tuple[str, Path, str]] = []
    for path, expected in batch:
        size, wrong = check_image(path, raw=True)
        if wrong:
            problems.append(image_problem(path, wrong))
        elif size is not None and expected is not None and size != expected:
            problems.append(
                (
                    'image of another size than its annotations (width x height)',
                    path,
                    f'{size[1]}x{size[0]}, annotated as {expected[1]}x{expected[0]}',
                )
            )
    return problems


def write_coco_masks(batch: Sequence[COCOMaskJob]) -> list[tuple[str, str]]:
    """Write the label maps of several images.

    Args:
        batch (list[COCOMaskJob]): Jobs of any annotation files.

    Returns:
        list: (file, problem) of images whose annotations cannot be decoded.
    """
    problems = []
    for job in batch:
        try:
            write_mask(job.target, coco_label_map(job))
        except ValueError as error:
            problems.append((job.target, str(error)))
    return problems


def coco_label_map(job: COCOMaskJob) -> NDArray[np.uint8]:
    """(H,W) uint8 label map, 0 background, 1..80 the categories in the order of their ids; crowds
    as instances, or 255.

    Raises:
        ValueError: A segmentation does not fit the image.
    """
    codes = rle_module()
    with open(job.annotations, 'rb') as file:
        annotations = [read_json_part(file, *place) for place in job.places]
    labels = [
        255 if job.crowd == 'ignore' and entry.get('iscrowd') else LABELS[entry['category_id']]
        for entry in annotations
    ]
    rles = [_encode(entry, codes, job.size) for entry in annotations]
    areas = [
        entry['area'] if 'area' in entry else float(codes.area(rle))
        for entry, rle in zip(annotations, rles)
    ]
    order = paint_order(areas, job.overlap)[::-1]
    return paint_instances(
        (codes.decode(rles[index]) for index in order), (labels[index] for index in order), job.size
    )


def _encode(annotation: dict[str, Any], codes: ModuleType, size: tuple[int, int]) -> dict[str, Any]:
    """Run lengths of an instance.

    Raises:
        ValueError: The segmentation is damaged or has another size. The message names the
            annotation.
    """
    shape, (height, width) = annotation['segmentation'], size
    try:
        if isinstance(shape, list):
            corners = areal(shape) or [[0] * FEWEST_COORDINATES]
            rle = codes.merge(codes.frPyObjects(corners, height, width))
        else:
            rle = (
                codes.frPyObjects(shape, height, width)
                if isinstance(shape['counts'], list)
                else shape
            )
    except (TypeError, ValueError, IndexError) as error:
        raise ValueError(f'annotation {annotation.get("id")}: {error}') from error
    if tuple(rle['size']) != (height, width):
        raise ValueError(
            f'annotation {annotation.get("id")}: its mask is {rle["size"][1]}x{rle["size"][0]}, '
            f'the image {width}x{height}'
        )
    return rle


def rle_module() -> ModuleType:
    """The module ``pycocotools.mask``.

    Raises:
        ValueError: pycocotools is not installed. The message says how to install it.
    """
    try:
        from pycocotools import mask
    except ModuleNotFoundError as error:
        raise ValueError('COCO masks need pycocotools: pip install pycocotools') from error
    return mask


def image_entry_problem(element: Any, path: str | Path) -> tuple[str, str] | None:
    """Problem of an entry of ``images``: (kind, detail), or None."""
    if not isinstance(element, dict):
        return 'image that is not an object', repr(element)[:60]
    lacking = [key for key in ('id', 'file_name', 'height', 'width') if key not in element]
    if lacking:
        return 'image without a field', f'image {element.get("id")}: {", ".join(lacking)}'
    fields = dict(id=_is_id, file_name=_is_name, height=_is_length, width=_is_length)
    for key, fits in fields.items():
        if not fits(element[key]):
            kind = 'image with a field of another type (integers, file_name text)'
            return kind, f'image {element["id"]!r}: {key} {element[key]!r}'
    try:
        check_pixels(path, element['width'], element['height'], 'image')
    except ValueError as error:
        return 'image that is too large', str(error).removeprefix(f'{path}: ')
    return None


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and not name_problem(Path(value).stem, folders=False)


def _is_length(value: Any) -> bool:
    return type(value) is int and value > 0


def _check_category(element: Any, path: str | Path, report: CheckReport) -> None:
    if not isinstance(element, dict):
        report.problem('category that is not an object', path, repr(element)[:60])
        return
    number, name = element.get('id'), element.get('name')
    if type(number) is not int or number not in LABELS:
        report.problem(
            'category outside the 80 of COCO 2014', path, f'category_id {number!r}, {name!r}'
        )
    elif name != COCO_CLASSES[LABELS[number]]:
        report.problem(
            'category of another name than in COCO 2014',
            path,
            f'{number}: {name!r}, expected {COCO_CLASSES[LABELS[number]]!r}',
        )
