"""Instance annotations of MS COCO as image tags and label maps, without the annotation file in memory (pipeline spec 7.6)."""
from array import array
from pathlib import Path
from typing import NamedTuple

import numpy as np

from mmwsss.datasets.coco import COCO_CLASSES
from mmwsss.functional.instance_masks import paint_instances, paint_order
from mmwsss.utils.file_check import check_image
from mmwsss.utils.io import write_mask
from mmwsss.utils.json_stream import JSONArrays, read_json_part

CATEGORY_IDS = tuple(number for number in range(1, 91) if number not in (12, 26, 29, 30, 45, 66, 68, 69, 71, 83))
LABELS = {category: label for label, category in enumerate(CATEGORY_IDS, 1)}
CROWDS = ('paint', 'ignore')
FEWEST_COORDINATES = 6  # of a polygon


class COCOImage(NamedTuple):
    """An image of an annotation file."""
    img_id: str
    file_name: str
    size: tuple  # (H,W)
    labels: tuple  # different labels 1..80, ascending
    places: tuple  # (first byte, number of bytes) of each annotation, in file order


class COCOMaskJob(NamedTuple):
    """What a worker needs to write one mask."""
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
        report (CheckReport): Takes categories outside the 80, annotations of missing images, bad shapes and repeated images.
        tell (Callable, optional): Called with ``completed=``, the number of bytes read so far.

    Returns:
        list[COCOImage]: Sorted by id, images without annotation included.

    Raises:
        FileNotFoundError: No such file.
        ValueError: Not JSON, or cut off; names the file.
    """
    images, owners, labels, starts, lengths, numbers = {}, array('q'), array('B'), array('q'), array('l'), {}
    for name, element, start, length in JSONArrays(path, ('images', 'annotations', 'categories')):
        if name == 'images':
            _add_image(element, images, numbers, path, report)
        elif name == 'categories':
            _check_category(element, path, report)
        else:
            wrong = annotation_problem(element)
            if wrong:
                report.problem(wrong[0], path, f'annotation {element.get("id")}: {wrong[1]}')
                continue
            shape = element['segmentation']
            if isinstance(shape, list) and (not shape or len(areal(shape)) < len(shape)):
                report.note('polygons of fewer than three points: not painted, their tags count', path, f'annotation {element.get("id")}')
            owners.append(element['image_id'])
            labels.append(LABELS[element['category_id']])
            starts.append(start)
            lengths.append(length)
            if tell is not None and not len(starts) % 1000:
                tell(completed=start)
    order = np.argsort(np.frombuffer(owners, np.int64) if len(owners) else np.zeros(0, np.int64), kind='stable')
    grouped = {}
    for index in order.tolist():
        grouped.setdefault(owners[index], []).append(index)
    for owner in grouped.keys() - images.keys():
        report.problem('annotations of an image that the file does not list', path, f'image {owner}, {len(grouped[owner])} annotations')
    result = [COCOImage(Path(file_name).stem, file_name, size, tuple(sorted({labels[index] for index in grouped.get(number, ())})),
                        tuple((starts[index], lengths[index]) for index in grouped.get(number, ())))
              for number, (file_name, size) in images.items()]
    return sorted(result)


def annotation_problem(annotation):
    """What is wrong with an annotation: (kind, detail), or None."""
    lacking = [key for key in ('image_id', 'category_id', 'segmentation') if key not in annotation]
    if lacking:
        return 'annotation without a field', ', '.join(lacking)
    if annotation['category_id'] not in LABELS:
        return 'category outside the 80 of COCO 2014', f'category_id {annotation["category_id"]!r}'
    shape = annotation['segmentation']
    known = all(isinstance(polygon, list) for polygon in shape) if isinstance(shape, list) else \
        isinstance(shape, dict) and len(shape.get('size', ())) == 2 and 'counts' in shape
    return None if known else ('segmentation that is neither a list of polygons nor RLE', repr(shape)[:60])


def areal(polygons):
    """The polygons that have an area: three points or more."""
    return [polygon for polygon in polygons if len(polygon) >= FEWEST_COORDINATES and not len(polygon) % 2]


def check_coco_images(batch):
    """Check several images, pairs (path, (H,W) of the annotation file or None).

    Returns:
        list: (kind, file, detail) of those with a problem.
    """
    problems = []
    for path, expected in batch:
        size, wrong = check_image(path)
        if wrong:
            missing = wrong == 'image not found'
            problems.append((wrong if missing else 'truncated or unreadable image', path, '' if missing else wrong))
        elif expected is not None and size != expected:
            problems.append(('image of another size than its annotations (width x height)', path,
                             f'{size[1]}x{size[0]}, annotated as {expected[1]}x{expected[0]}'))
    return problems


def write_coco_masks(batch):
    """Write the label maps of several images.

    Args:
        batch (list[COCOMaskJob]): Of any annotation files.

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
    """(H,W) uint8 label map, 0 background, 1..80 the categories in the order of their ids; crowds as instances, or 255.

    Raises:
        ValueError: A segmentation that does not fit the image.
    """
    codes = rle_module()
    with open(job.annotations, 'rb') as file:
        annotations = [read_json_part(file, *place) for place in job.places]
    labels = [255 if job.crowd == 'ignore' and entry.get('iscrowd') else LABELS[entry['category_id']] for entry in annotations]
    rles = [_encode(entry, codes, job.size) for entry in annotations]
    areas = [entry['area'] if 'area' in entry else float(codes.area(rle)) for entry, rle in zip(annotations, rles)]
    order = paint_order(areas, job.overlap)[::-1]
    return paint_instances((codes.decode(rles[index]) for index in order), (labels[index] for index in order), job.size)


def _encode(annotation, codes, size):
    """Run lengths of an instance.

    Raises:
        ValueError: A damaged segmentation, or one of another size; names the annotation.
    """
    shape, (height, width) = annotation['segmentation'], size
    try:
        if isinstance(shape, list):
            corners = areal(shape) or [[0] * FEWEST_COORDINATES]
            rle = codes.merge(codes.frPyObjects(corners, height, width))
        else:
            rle = codes.frPyObjects(shape, height, width) if isinstance(shape['counts'], list) else shape
    except (TypeError, ValueError, IndexError) as error:
        raise ValueError(f'annotation {annotation.get("id")}: {error}') from error
    if tuple(rle['size']) != (height, width):
        raise ValueError(f'annotation {annotation.get("id")}: its mask is {rle["size"][1]}x{rle["size"][0]}, the image {width}x{height}')
    return rle


def rle_module():
    """The module ``pycocotools.mask``.

    Raises:
        ValueError: pycocotools is not installed; says how to get it.
    """
    try:
        from pycocotools import mask
    except ModuleNotFoundError as error:
        raise ValueError('COCO masks need pycocotools: pip install pycocotools') from error
    return mask


def _add_image(element, images, numbers, path, report):
    lacking = [key for key in ('id', 'file_name', 'height', 'width') if key not in element]
    if lacking:
        report.problem('image without a field', path, f'image {element.get("id")}: {", ".join(lacking)}')
        return
    file_name = element['file_name']
    stem = Path(file_name).stem
    if element['id'] in images or stem in numbers:
        report.problem('image listed twice', path, f'id {element["id"]}, {file_name}')
    numbers[stem] = element['id']
    images[element['id']] = file_name, (element['height'], element['width'])


def _check_category(element, path, report):
    number, name = element.get('id'), element.get('name')
    if number not in LABELS:
        report.problem('category outside the 80 of COCO 2014', path, f'category_id {number!r}, {name!r}')
    elif name != COCO_CLASSES[LABELS[number]]:
        report.problem('category of another name than in COCO 2014', path, f'{number}: {name!r}, expected {COCO_CLASSES[LABELS[number]]!r}')
