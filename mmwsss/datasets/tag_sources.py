"""Image tags taken from other annotations: PASCAL VOC object lists and label maps."""
from pathlib import Path
from xml.etree import ElementTree

import numpy as np

from mmwsss.utils.io import read_mask


def tags_from_xml(path):
    """Object names of a PASCAL VOC annotation, in order of appearance, each once.

    Difficult and truncated objects count; parts of an object (head, hand, foot) do not.

    Raises:
        FileNotFoundError: No such file.
        ValueError: Not such an annotation; names the file.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f'{path}: annotation not found')
    try:
        root = ElementTree.parse(path).getroot()
    except ElementTree.ParseError as error:
        raise ValueError(f'{path}: not an XML file ({error})') from error
    if root.tag != 'annotation':
        raise ValueError(f'{path}: expected a PASCAL VOC <annotation>, found <{root.tag}>')
    names = [(entry.findtext('name') or '').strip() for entry in root.findall('object')]
    if not all(names):
        raise ValueError(f'{path}: an <object> has no <name>')
    return list(dict.fromkeys(names))


def tags_from_mask(path, num_classes):
    """0-based ids of the foreground classes of a label map, ascending.

    Args:
        path (str | Path): Mask, 0 background, 255 ignore.
        num_classes (int): K, with background.
    """
    counts = np.bincount(read_mask(path, num_classes).ravel(), minlength=num_classes)
    return (np.flatnonzero(counts[1:num_classes])).tolist()
