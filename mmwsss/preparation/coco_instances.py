"""Instance annotations of MS COCO as image tags and label maps, without the annotation file in
memory.
"""

import math
from array import array
from pathlib import Path
from typing import NamedTuple

import numpy as np

from mmwsss.preparation.file_check import check_image
from mmwsss.preparation.instance_masks import paint_instances, paint_order
from mmwsss.preparation.json_stream import JSONArrays, read_json_part
from mmwsss.utils.class_lists import COCO_CLASSES
from mmwsss.utils.io import write_mask
from mmwsss.utils.limits import check_pixels
from mmwsss.utils.names import name_problem

CATEGORY_IDS = tuple(
    number for number in range(1, 91) if number not in (12, 26, 29, 30, 45, 66, 68, 69, 71, 83)
)
LABELS = {category: label for label, category in enumerate(CATEGORY_IDS, 1)}
CROWDS = ('paint', 'ignore')
FEWEST_COORDINATES = 6  # of a polygon
# pixels; pycocotools has no bounds check: coordinates far out, NaN or None end the process
FARTHEST = 1e6
NUMBERS = frozenset({int, float})


class COCOImage(NamedTuple):
    """An image of an annotation file."""

    img_id: str
    file_name: str
    size: tuple  # (H,W)
    labels: tuple  # different labels 1..80, ascending
    places: tuple  # (first byte, number of bytes) of each annotation, in file order


class COCOMaskJob(NamedTuple):
    """Job of a worker: everything needed to write one mask."""

    annotations: str  # the JSON file
    places: tuple
    size: tuple
    target: str
    overlap: str
    crowd: str


def index_annotations(path, report, tell=None):
    """Read an instance annotation file once, and note where each image's annotations are.

    Args:
        path (str | Path): ``instances_*.json``.
        report (CheckReport): Takes categories outside the 80, annotations of missing images, bad
            shapes, run lengths that do not fit their image, malformed entries and repeated images.
        tell (Callable, optional): Called with ``completed=``, the number of bytes read so far.

    Returns:
        list[COCOImage]: Sorted by id, images without annotation included.

    Raises:
        FileNotFoundError: No such file.
        ValueError: Not JSON, or cut off. The message names the file.
    """
    images, owners, labels, starts, lengths, numbers, early = (
        {},
        array('q'),
        array('B'),
        array('q'),
        array('l'),
        {},
        [],
    )
    for name, element, start, length in JSONArrays(path, ('images', 'annotations', 'categories')):
        if name == 'images':
            _add_image(element, images, numbers, path, report)
        elif name == 'categories':
            _check_category(element, path, report)
        else:
            wrong = annotation_problem(element)
            if wrong:
                name = element.get('id') if isinstance(element, dict) else f'at byte {start}'
                report.problem(wrong[0], path, f'annotation {name}: {wrong[1]}')
                continue
            shape = element['segmentation']
            if isinstance(shape, dict):
                run = element.get('id'), element['image_id'], rle_extent(shape)
                if element['image_id'] in images:
                    _check_runs(*run, images, path, report)
                else:
                    early.append(run)  # the file may list its images last
            elif not shape or len(areal(shape)) < len(shape):
                report.note(
                    'polygons of fewer than three points: not painted, their tags count',
                    path,
                    f'annotation {element.get("id")}',
                )
            owners.append(element['image_id'])
            labels.append(LABELS[element['category_id']])
            starts.append(start)
            lengths.append(length)
            if tell is not None and not len(starts) % 1000:
                tell(completed=start)
    for run in early:
        if run[1] in images:  # else reported below
            _check_runs(*run, images, path, report)
    order = np.argsort(
        np.frombuffer(owners, np.int64) if len(owners) else np.zeros(0, np.int64), kind='stable'
    )
    grouped = {}
    for index in order.tolist():
        grouped.setdefault(owners[index], []).append(index)
    for owner in grouped.keys() - images.keys():
        report.problem(
            'annotations of an image that the file does not list',
            path,
            f'image {owner}, {len(grouped[owner])} annotations',
        )
    result = [
        COCOImage(
            Path(file_name).stem,
            file_name,
            size,
            tuple(sorted({labels[index] for index in grouped.get(number, ())})),
            tuple((starts[index], lengths[index]) for index in grouped.get(number, ())),
        )
        for number, (file_name, size) in images.items()
    ]
    return sorted(result)


def annotation_problem(annotation):
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
    known = (
        all(map(_is_polygon, shape))
        if isinstance(shape, list)
        else isinstance(shape, dict) and _is_rle(shape)
    )
    return (
        None
        if known
        else ('segmentation that is neither a list of polygons nor RLE', repr(shape)[:60])
    )


def _is_id(value):
    return type(value) is int and -1 << 63 <= value < 1 << 63  # what an array of 'q' holds


def _is_polygon(value):
    return (
        isinstance(value, list)
        and NUMBERS.issuperset(map(type, value))
        and (
            # max() overlooks NaN
            not value or max(map(abs, value)) < FARTHEST and math.isfinite(sum(value))
        )
    )


def _is_rle(shape):
    size, counts = shape.get('size'), shape.get('counts')
    return (
        isinstance(size, list)
        and list(map(type, size)) == [int, int]
        and (
            isinstance(counts, str) or isinstance(counts, list) and set(map(type, counts)) <= {int}
        )
    )


def rle_extent(shape):
    """Height, width and number of pixels of run lengths; -1 pixels where they are damaged.

    pycocotools checks none of them: runs that end early leave the rest of the mask uninitialised.

    Args:
        shape (dict): ``size`` (H, W) and ``counts``, a list, or the string that pycocotools packs
            them into.
    """
    try:
        counts = (
            shape['counts'] if isinstance(shape['counts'], list) else unpack_runs(shape['counts'])
        )
    except ValueError:
        counts = [-1]
    return *shape['size'], -1 if min(counts, default=0) < 0 else sum(counts)


def unpack_runs(text):
    """Run lengths of an RLE string: five bits a character, the sixth says that more follow; from
    the fourth run on, the difference to the run before the last.

    Raises:
        ValueError: Characters that are none of its alphabet, or an end within a run.
    """
    runs, value, shift = [], 0, 0
    for character in text:
        code = ord(character) - 48
        if not 0 <= code < 64:
            raise ValueError(f'{character!r} is not a character of an RLE string')
        value |= (code & 31) << shift
        shift += 5
        if not code & 32:
            value -= (code >> 4 & 1) << shift  # sign
            runs.append(value + (runs[-2] if len(runs) > 2 else 0))
            value, shift = 0, 0
    if shift:
        raise ValueError('the RLE string ends within a run')
    return runs


def _check_runs(name, owner, extent, images, path, report):
    """Report run lengths of another size than their image."""
    height, width = images[owner][1]
    if extent != (height, width, height * width):
        pixels = 'damaged runs' if extent[2] < 0 else f'runs of {extent[2]} pixels'
        report.problem(
            'RLE that does not fit its image (width x height)',
            path,
            f'annotation {name}: its mask is {extent[1]}x{extent[0]} with {pixels}, the image '
            f'{width}x{height}',
        )


def areal(polygons):
    """The polygons that have an area: three points or more."""
    return [
        polygon
        for polygon in polygons
        if len(polygon) >= FEWEST_COORDINATES and not len(polygon) % 2
    ]


def check_coco_images(batch):
    """Check several images, pairs (path, (H,W) of the annotation file or None).

    Returns:
        list: (kind, file, detail) of those with a problem.
    """
    problems = []
    for path, expected in batch:
        size, wrong = check_image(path, raw=True)
        if wrong:
            missing = wrong == 'image not found'
            problems.append(
                (
                    wrong if missing else 'truncated or unreadable image',
                    path,
                    '' if missing else wrong,
                )
            )
        elif expected is not None and size != expected:
            problems.append(
                (
                    'image of another size than its annotations (width x height)',
                    path,
                    f'{size[1]}x{size[0]}, annotated as {expected[1]}x{expected[0]}',
                )
            )
    return problems


def write_coco_masks(batch):
    """Write the label maps of several images.

    Args:
        batch (list[COCOMaskJob]): Jobs of any annotation files.

    Returns:
        list: (file, what is wrong) of images whose annotations cannot be decoded.
    """
    problems = []
    for job in batch:
        try:
            write_mask(job.target, coco_label_map(job))
        except ValueError as error:
            problems.append((job.target, str(error)))
    return problems


def coco_label_map(job):
    """(H,W) uint8 label map, 0 background, 1..80 the categories in the order of their ids; crowds
    as instances, or 255.

    Raises:
        ValueError: A segmentation that does not fit the image.
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


def _encode(annotation, codes, size):
    """Run lengths of an instance.

    Raises:
        ValueError: A damaged segmentation, or one of another size. The message names the
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


def rle_module():
    """The module ``pycocotools.mask``.

    Raises:
        ValueError: pycocotools is not installed. The message says how to get it.
    """
    try:
        from pycocotools import mask
    except ModuleNotFoundError as error:
        raise ValueError('COCO masks need pycocotools: pip install pycocotools') from error
    return mask


def _add_image(element, images, numbers, path, report):
    if not isinstance(element, dict):
        report.problem('image that is not an object', path, repr(element)[:60])
        return
    lacking = [key for key in ('id', 'file_name', 'height', 'width') if key not in element]
    if lacking:
        report.problem(
            'image without a field', path, f'image {element.get("id")}: {", ".join(lacking)}'
        )
        return
    wrong = [
        key
        for key, known in (
            ('id', _is_id),
            ('file_name', _is_name),
            ('height', _is_length),
            ('width', _is_length),
        )
        if not known(element[key])
    ]
    if wrong:
        report.problem(
            'image with a field of another type (integers, file_name text)',
            path,
            f'image {element["id"]!r}: {wrong[0]} {element[wrong[0]]!r}',
        )
        return
    file_name = element['file_name']
    try:
        check_pixels(path, element['width'], element['height'], 'image')
    except ValueError as error:
        report.problem('image that is too large', path, str(error).removeprefix(f'{path}: '))
        return
    stem = Path(file_name).stem
    if element['id'] in images or stem in numbers:
        report.problem('image listed twice', path, f'id {element["id"]}, {file_name}')
    numbers[stem] = element['id']
    images[element['id']] = file_name, (element['height'], element['width'])


def _is_name(value):
    return isinstance(value, str) and not name_problem(Path(value).stem, folders=False)


def _is_length(value):
    return type(value) is int and value > 0


def _check_category(element, path, report):
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
