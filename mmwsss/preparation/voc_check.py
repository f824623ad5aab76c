"""Checks and derived files of a folder with PASCAL VOC 2012 and SBD."""

import struct
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mmwsss.preparation.file_check import (
    MaskCheck,
    check_image,
    check_mask,
    image_problem,
    size_problem,
)
from mmwsss.utils.class_lists import VOC_CLASSES
from mmwsss.utils.io import write_mask
from mmwsss.utils.limits import MIB, limit, read_bytes
from mmwsss.utils.tag_sources import tags_from_xml, voc_tags

MAT_HEADER, MAT_COMPRESSED = 128, 15  # bytes before the first element; a type of element
REPAIRABLE = 'not a palette PNG'  # part of a kind of problem with known labels


class VOCFiles(NamedTuple):
    """Files of one image; None for files that are not checked."""

    img_id: str
    image: Path | None
    mask: Path | None  # PNG, or ``cls/<id>.mat`` of SBD
    annotation: Path | None
    decode: bool = False  # the whole image instead of its two ends


class VOCFinding(NamedTuple):
    """Result of the check of one image."""

    problems: list[tuple[str, Path, str]]  # (kind, file, detail)
    annotation_tags: list[str] | None  # names in order of the classes
    mask_tags: list[str] | None


def check_voc_image(files: VOCFiles) -> VOCFinding:
    """Check the files of one image.

    Args:
        files (VOCFiles): Files to check.

    Returns:
        VOCFinding
    """
    problems: list[tuple[str, Path, str]] = []
    size, annotation_tags, mask_tags = None, None, None
    if files.image is not None:
        size, wrong = check_image(files.image, files.decode, raw=True)
        if wrong:
            problems.append(image_problem(files.image, wrong))
    if files.mask is not None:
        checked = _check_any_mask(files.mask, size)
        if checked.problem is not None:
            problems.append((checked.problem[0], files.mask, checked.problem[1]))
        if checked.labels is not None:
            present = np.unique(checked.labels)
            mask_tags = [VOC_CLASSES[label] for label in present if 0 < label < len(VOC_CLASSES)]
    if files.annotation is not None:
        annotation_tags, problem = _check_annotation(files.annotation)
        if problem is not None:
            problems.append(problem)
    return VOCFinding(problems, annotation_tags, mask_tags)


def _check_any_mask(path: Path, size: Sequence[int] | None) -> MaskCheck:
    """Check a mask of VOC or of SBD."""
    if path.suffix == '.mat':
        return check_sbd_mask(path, size)
    return check_mask(path, len(VOC_CLASSES), size)


def _check_annotation(path: Path) -> tuple[list[str] | None, tuple[str, Path, str] | None]:
    """Tags of an annotation, or None and its problem."""
    try:
        foreign = [name for name in tags_from_xml(path) if name not in VOC_CLASSES[1:]]
        if foreign:
            return None, ('object that is not a class of VOC', path, ', '.join(foreign))
        return voc_tags(path), None
    except FileNotFoundError:
        return None, ('annotation not found', path, '')
    except ValueError as error:
        return None, ('unreadable annotation', path, str(error).removeprefix(f'{path}: '))


def check_voc_images(batch: Sequence[VOCFiles]) -> list[VOCFinding]:
    """:func:`check_voc_image` of several images, for worker processes."""
    return [check_voc_image(files) for files in batch]


def repair_mask(path: Path) -> None:
    """Replace a colour-encoded mask by a palette PNG."""
    checked = check_mask(path, len(VOC_CLASSES))
    if checked.labels is None:
        raise ValueError(f'{path}: {": ".join(checked.problem or ())}')
    write_mask(path, checked.labels)


def repair_masks(paths: Sequence[Path]) -> int:
    """:func:`repair_mask` of several masks, for worker processes."""
    for path in paths:
        repair_mask(path)
    return len(paths)


def augmented_split(
    voc_train: Iterable[str], voc_val: Iterable[str], sbd: Iterable[str]
) -> list[str]:
    """Ids of ``train_aug``: all images that VOC or SBD annotate, except for the validation images
    of VOC, sorted.

    10,582 ids for VOC 2012 ``train``, ``val`` and the two lists of SBD.
    """
    return sorted({*voc_train, *sbd} - set(voc_val))


def read_sbd_labels(path: str | Path) -> NDArray[Any]:
    """(H,W) label map of an SBD annotation ``cls/<id>.mat``, 0..20.

    Raises:
        ValueError: The file is damaged or is not a class annotation of SBD. The message names the
            file.
    """
    from scipy.io import loadmat

    try:
        check_inflated_size(path)
        labels = np.asarray(
            loadmat(path, squeeze_me=True, struct_as_record=False)['GTcls'].Segmentation
        )
    # the parser of scipy raises many exceptions: IndexError, zlib.error, NotImplementedError, ...
    except Exception as error:  # noqa: BLE001
        raise ValueError(f'{path}: {error or type(error).__name__}') from error
    if (
        labels.ndim != 2
        or labels.dtype.kind not in 'ui'
        or not 0 <= labels.min(initial=0) <= labels.max(initial=0) < len(VOC_CLASSES)
    ):
        raise ValueError(f'{path}: expected a map of the classes 0..{len(VOC_CLASSES) - 1}')
    return labels


def check_inflated_size(path: str | Path) -> None:
    """Reject a MATLAB 5 file that unpacks to more than ``MMWSSS_MAX_MAPS_MB``.

    Raises:
        FileNotFoundError: The file does not exist.
        ValueError: The file is not regular or is too large. The message names it.
    """
    data = memoryview(read_bytes(path, 'annotation of SBD'))
    allowed = limit('MMWSSS_MAX_MAPS_MB') * MIB
    at, total = MAT_HEADER, 0
    while at + 8 <= len(data):
        kind, size = struct.unpack_from('<II', data, at)
        if kind == MAT_COMPRESSED:
            stream, chunk = zlib.decompressobj(), bytes(data[at + 8 : at + 8 + size])
            while chunk and not stream.eof and total <= allowed:
                total += len(stream.decompress(chunk, MIB))
                chunk = stream.unconsumed_tail
        if total > allowed:
            raise ValueError(
                f'{path}: unpacks to more than the {allowed / MIB:.0f} MiB that are read '
                f'(MMWSSS_MAX_MAPS_MB)'
            )
        at += 8 + size


def check_sbd_mask(path: Path, size: Sequence[int] | None = None) -> MaskCheck:
    """As :func:`mmwsss.preparation.file_check.check_mask`, for an SBD annotation."""
    try:
        labels = read_sbd_labels(path)
    except ValueError as error:
        return MaskCheck(
            None, ('not a class annotation of SBD', str(error).removeprefix(f'{path}: '))
        )
    if size is not None and labels.shape != tuple(size):
        return MaskCheck(None, size_problem(labels.shape, size))
    return MaskCheck(labels, None)


def write_sbd_masks(batch: Sequence[tuple[Path, Path]]) -> int:
    """Write the masks of several SBD annotations, given as pairs (``cls/<id>.mat``, PNG to write),
    for worker processes.

    Raises:
        ValueError: See :func:`read_sbd_labels`.
    """
    for source, target in batch:
        write_mask(target, read_sbd_labels(source))
    return len(batch)
