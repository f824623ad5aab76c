"""Checks and derived files of a folder with PASCAL VOC 2012 and SBD."""

import struct
import zlib
from pathlib import Path
from typing import NamedTuple

import numpy as np

from mmwsss.preparation.file_check import MaskCheck, check_image, check_mask
from mmwsss.utils.class_lists import VOC_CLASSES
from mmwsss.utils.io import write_mask
from mmwsss.utils.limits import MIB, limit, read_bytes
from mmwsss.utils.tag_sources import tags_from_xml, voc_tags

MAT_HEADER, MAT_COMPRESSED = 128, 15  # bytes before the first element; a type of element
REPAIRABLE = 'not a palette PNG'  # part of a kind of problem: the labels are known all the same


class VOCFiles(NamedTuple):
    """Files of one image; None for those that are not checked."""

    img_id: str
    image: Path | None
    mask: Path | None  # PNG, or ``cls/<id>.mat`` of SBD
    annotation: Path | None
    decode: bool = False  # the whole image, not only its two ends


class VOCFinding(NamedTuple):
    """Files of one image."""

    problems: list  # (kind, file, detail)
    annotation_tags: list | None  # names in order of the classes
    mask_tags: list | None


def check_voc_image(files):
    """Check the files of one image.

    Args:
        files (VOCFiles): Files to check.

    Returns:
        VOCFinding
    """
    problems, size, annotation_tags, mask_tags = [], None, None, None
    if files.image is not None:
        size, wrong = check_image(files.image, files.decode, raw=True)
        if wrong:
            problems.append(
                (
                    'image not found'
                    if wrong == 'image not found'
                    else 'truncated or unreadable image',
                    files.image,
                    '' if wrong == 'image not found' else wrong,
                )
            )
    if files.mask is not None:
        checked = (
            check_sbd_mask(files.mask, size)
            if files.mask.suffix == '.mat'
            else check_mask(files.mask, len(VOC_CLASSES), size)
        )
        if checked.problem is not None:
            problems.append((checked.problem[0], files.mask, checked.problem[1]))
        if checked.labels is not None:
            present = np.flatnonzero(np.bincount(checked.labels.ravel(), minlength=256))
            mask_tags = [VOC_CLASSES[label] for label in present if 0 < label < len(VOC_CLASSES)]
    if files.annotation is not None:
        try:
            names = tags_from_xml(files.annotation)
            foreign = [name for name in names if name not in VOC_CLASSES[1:]]
            if foreign:
                problems.append(
                    ('object that is not a class of VOC', files.annotation, ', '.join(foreign))
                )
            else:
                annotation_tags = voc_tags(files.annotation)
        except FileNotFoundError:
            problems.append(('annotation not found', files.annotation, ''))
        except ValueError as error:
            problems.append(
                (
                    'unreadable annotation',
                    files.annotation,
                    str(error).removeprefix(f'{files.annotation}: '),
                )
            )
    return VOCFinding(problems, annotation_tags, mask_tags)


def check_voc_images(batch):
    """:func:`check_voc_image` of several images, for worker processes."""
    return [check_voc_image(files) for files in batch]


def repair_mask(path):
    """Write a colour-encoded mask again as a palette PNG, in its place."""
    write_mask(path, check_mask(path, len(VOC_CLASSES)).labels)


def repair_masks(paths):
    """:func:`repair_mask` of several masks, for worker processes."""
    for path in paths:
        repair_mask(path)
    return len(paths)


def augmented_split(voc_train, voc_val, sbd):
    """Ids of ``train_aug``: everything that VOC or SBD annotate and that VOC does not validate on,
    sorted.

    10,582 ids for VOC 2012 ``train``, ``val`` and the two lists of SBD.
    """
    return sorted({*voc_train, *sbd} - set(voc_val))


def read_sbd_labels(path):
    """(H,W) label map of an SBD annotation ``cls/<id>.mat``, 0..20.

    Raises:
        ValueError: Damaged file, or no class annotation of SBD. The message names the file.
    """
    from scipy.io import loadmat

    try:
        check_inflated_size(path)
        labels = np.asarray(
            loadmat(path, squeeze_me=True, struct_as_record=False)['GTcls'].Segmentation
        )
    except Exception as error:  # noqa: BLE001  scipy raises whatever its parser runs into: IndexError, zlib.error, NotImplementedError, ...
        raise ValueError(f'{path}: {error or type(error).__name__}') from error
    if (
        labels.ndim != 2
        or labels.dtype.kind not in 'ui'
        or not 0 <= labels.min(initial=0) <= labels.max(initial=0) < len(VOC_CLASSES)
    ):
        raise ValueError(f'{path}: expected a map of the classes 0..{len(VOC_CLASSES) - 1}')
    return labels


def check_inflated_size(path: str | Path) -> None:
    """Refuse a MATLAB 5 file that unpacks to more than ``MMWSSS_MAX_MAPS_MB``.

    Raises:
        FileNotFoundError: No such file.
        ValueError: Not a regular file, or too large. The message names it.
    """
    data = memoryview(read_bytes(path, 'annotation of SBD'))
    allowed = limit('MMWSSS_MAX_MAPS_MB') * MIB
    at, total = MAT_HEADER, 0
    while at + 8 <= len(data):
        kind, size = struct.unpack_from('<II', data, at)
        if kind == MAT_COMPRESSED:
            stream, chunk = zlib.decompressobj(), data[at + 8 : at + 8 + size]
            while chunk and not stream.eof and total <= allowed:
                total += len(stream.decompress(chunk, MIB))
                chunk = stream.unconsumed_tail
        if total > allowed:
            raise ValueError(
                f'{path}: unpacks to more than the {allowed / MIB:.0f} MiB that are read '
                f'(MMWSSS_MAX_MAPS_MB)'
            )
        at += 8 + size


def check_sbd_mask(path, size=None):
    """Like :func:`mmwsss.preparation.file_check.check_mask`, of an SBD annotation."""
    try:
        labels = read_sbd_labels(path)
    except ValueError as error:
        return MaskCheck(
            None, ('not a class annotation of SBD', str(error).removeprefix(f'{path}: '))
        )
    if size is not None and labels.shape != tuple(size):
        return MaskCheck(
            None,
            (
                'mask and image differ in size (width x height)',
                f'{labels.shape[1]}x{labels.shape[0]} and {size[1]}x{size[0]}',
            ),
        )
    return MaskCheck(labels, None)


def write_sbd_masks(batch):
    """Write the masks of several SBD annotations, for worker processes; pairs (``cls/<id>.mat``,
    PNG to write).

    Raises:
        ValueError: See :func:`read_sbd_labels`.
    """
    for source, target in batch:
        write_mask(target, read_sbd_labels(source))
    return len(batch)
