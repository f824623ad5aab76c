"""Image tags taken from other annotations: PASCAL VOC object lists and label maps."""

from pathlib import Path

import numpy as np

from mmwsss.utils.class_lists import VOC_CLASSES
from mmwsss.utils.io import read_mask
from mmwsss.utils.limits import read_xml


def tags_from_xml(path: str | Path) -> list[str]:
    """Object names of a PASCAL VOC annotation, in order of appearance, each once.

    Difficult and truncated objects count; parts of an object (head, hand, foot) do not.

    Raises:
        FileNotFoundError: The file does not exist.
        ValueError: The file is not such an annotation. The message names the file.
    """
    root = read_xml(path, 'PASCAL VOC annotation', 'annotation')
    names = [(entry.findtext('name') or '').strip() for entry in root.findall('object')]
    if not all(names):
        raise ValueError(f'{path}: an <object> has no <name>')
    return list(dict.fromkeys(names))


def tags_from_mask(path: str | Path, num_classes: int) -> list[int]:
    """0-based ids of the foreground classes of a label map, ascending.

    Args:
        path (str | Path): Mask, 0 background, 255 ignore.
        num_classes (int): K, including background.
    """
    counts = np.bincount(read_mask(path, num_classes).ravel(), minlength=num_classes)
    return (np.flatnonzero(counts[1:num_classes])).tolist()


def voc_tags(path: str | Path) -> list[str]:
    """Tag names of an object annotation (``.xml``) or a label map (``.png``), in order of the
    classes.

    Raises:
        ValueError: The file is damaged, or an object is not a VOC class. The message names both.
    """
    if Path(path).suffix == '.png':
        return [VOC_CLASSES[tag + 1] for tag in tags_from_mask(path, len(VOC_CLASSES))]
    tags = tags_from_xml(path)
    wrong = [tag for tag in tags if tag not in VOC_CLASSES[1:]]
    if wrong:
        raise ValueError(f'{path}: object {wrong[0]!r} is not a class of VOC 2012')
    return sorted(tags, key=VOC_CLASSES.index)
