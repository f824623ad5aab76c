"""Conversion of photos and their tags to a data set: rows are matched to photos, all problems are
reported, and the folder for the tools is written.
"""

import filecmp
import os
import shutil
import sys
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from typing import NamedTuple

from PIL import Image
from rich.console import Console
from rich.progress import track

from mmwsss.preparation.check_report import CheckReport
from mmwsss.preparation.readers import TagSource
from mmwsss.preparation.tag_check import inspect_photos, note_balance
from mmwsss.preparation.tag_readers import read_tag_source
from mmwsss.utils.file_lookup import IMAGE_SUFFIXES, image_id, walk_files
from mmwsss.utils.image_io import open_image, read_image, shown_size, shrink, upright_content
from mmwsss.utils.io import atomic_open, swap_channels, write_tags
from mmwsss.utils.names import name_problem, output_path
from mmwsss.utils.pool import bounded_map

CHUNK, FEW_CHUNKS = 64, 32  # a small number of photos is checked faster than a process starts
MOST_CLASSES = 254  # 0 is background and 255 ignore in a mask
QUALITY = 95  # JPEG quality of downscaled photos
# formats that few programs read, or that would lose colours in a downscaled copy
CONVERTED = {'.heic': '.jpg', '.heif': '.jpg', '.gif': '.png'}


class PhotoSet(NamedTuple):
    """Photos with tags after the check.

    Attributes:
        table: Tags by name of the photo in the data set.
        files: File by name.
        classes: Names without background.
        unused: Photos of the folder without a row.
        splits: ``'train'``, ``'val'`` or ``'test'`` by name, if the source has splits.
    """

    table: dict[str, list[str]]
    files: dict[str, Path]
    classes: tuple[str, ...]
    unused: tuple[Path, ...]
    splits: Mapping[str, str] = MappingProxyType({})


def read_photo_set(
    path: Path,
    folder: Path,
    out: Path,
    report: CheckReport,
    *,
    listed: Sequence[str] | None = None,
    origin: str | Path = '',
    renamed: Mapping[str, str] | None = None,
    decode: bool = False,
    workers: int = 0,
    max_side: int | None = None,
    upright: bool = False,
    separator: str | None = None,
) -> tuple[str, PhotoSet]:
    """Read tags and photos, and check everything.

    Args:
        path: Source of the tags, see :func:`mmwsss.preparation.tag_readers.read_tag_source`.
        folder: Folder of the photos.
        out: Folder of the new data set.
        report: Report that receives problems and notes.
        listed: Expected classes, without background; None: those of the source.
        origin: Source of ``listed``, for messages.
        renamed: Old name -> new name of tags.
        decode, workers: See :func:`check_photo_files`.
        max_side, upright: See :func:`write_photo_set`.
        separator: Separator of the tags in a field of a table.

    Returns:
        Kind of the source, and its content.

    Raises:
        FileNotFoundError: The file or folder of the tags does not exist.
        ValueError: The source contains no tags.
    """
    source = read_tag_source(path, report, listed, separator=separator)
    photos = match_photos(source, folder, report, listed=listed, origin=origin, renamed=renamed)
    check_photo_files(photos.files.values(), report, decode=decode, workers=workers)
    if not report.num_problems:
        check_targets(out, photos.files, report, max_side, upright=upright)
    note_balance(photos.table, photos.classes, report)
    return source.kind, photos


def match_photos(
    source: TagSource,
    folder: Path,
    report: CheckReport,
    *,
    listed: Sequence[str] | None = None,
    renamed: Mapping[str, str] | None = None,
    origin: str | Path = '',
) -> PhotoSet:
    """Find the photo of every row, and check names and classes.

    Args:
        source: Content of the table.
        folder: Of the photos; not used if the source names its files.
        report: Report that receives problems and notes.
        listed: Expected classes, without background; None: those of the source.
        renamed: Old name -> new name of tags.
        origin: Source of ``listed``, for messages.
    """
    renamed = renamed or {}
    table = {}
    for name, tags in source.table.items():
        table[name] = list(dict.fromkeys(renamed.get(tag, tag) for tag in tags))
    if not table and not report.num_problems:  # otherwise the report contains the reason
        report.problem('no image in it', report.subject)
    classes = _classes(source, table, listed, renamed)
    check_tags(table, classes, report, origin)
    unused: tuple[Path, ...] = ()
    if source.files is not None:
        found = {name: (name, path) for name, path in source.files.items()}
    else:
        found, unused = _find_photos(table, folder, report) if table else ({}, ())
    _check_names(found, report)
    found = {name: (stored_name(file), path) for name, (file, path) in found.items()}
    return PhotoSet(
        {found[name][0]: tags for name, tags in table.items() if name in found},
        dict(found.values()),
        classes,
        unused,
        {found[name][0]: split for name, split in (source.splits or {}).items()},
    )


def stored_name(name: str) -> str:
    """Name of a photo in the data set: copies of HEIC and GIF photos are JPEG and PNG files."""
    stem, suffix = os.path.splitext(name)
    return stem + CONVERTED.get(suffix.lower(), suffix)


def _classes(
    source: TagSource,
    table: Mapping[str, Sequence[str]],
    listed: Sequence[str] | None,
    renamed: Mapping[str, str],
) -> tuple[str, ...]:
    """Class names without background."""
    if listed is not None:
        return tuple(listed)
    known = list(dict.fromkeys(renamed.get(name, name) for name in source.classes or ()))
    known = known or sorted(set().union(*table.values()))
    return tuple(name for name in known if name != 'background')


def check_tags(
    table: Mapping[str, Sequence[str]],
    classes: Sequence[str],
    report: CheckReport,
    origin: str | Path = '',
) -> None:
    """Report tags that are unknown or cannot be classes, and too few or too many classes."""
    for image, tags in table.items():
        for tag in tags:
            _check_tag(image, tag, classes, report, origin)
    if not classes and table:
        report.problem('no image has a tag, so there are no classes', report.subject)
    if len(classes) > MOST_CLASSES:
        kind = f'more than {MOST_CLASSES} classes do not fit a mask'
        report.problem(kind, report.subject, len(classes))


def _check_tag(
    image: str, tag: str, classes: Sequence[str], report: CheckReport, origin: str | Path
) -> None:
    if tag == 'background':
        report.problem(
            "the tag 'background' is reserved: leave the tags of such a photo empty", image
        )
    elif tag not in classes:
        near = [name for name in classes if name.casefold() == tag.casefold()]
        hint = f', did you mean {near[0]!r}?' if near else ''
        report.problem(f'unknown tag (not in {origin})', image, f'{tag!r}{hint}')
    elif name_problem(tag):
        report.problem('tag that cannot be a class', image, f'{tag!r}: {name_problem(tag)}')
    if any(mark in tag for mark in '";\n\r'):
        report.problem('a tag holds no quote, ";" or line end', image, repr(tag))


def _find_photos(
    names: Iterable[str], folder: Path, report: CheckReport
) -> tuple[dict[str, tuple[str, Path]], tuple[Path, ...]]:
    """Image as written -> (name in the data set, file), and the photos without a row.

    A name may lack its extension, and may be preceded by a path that is not below ``folder``.
    """
    if not folder.is_dir():
        report.problem('folder of photos not found (--images)', folder)
        return {}, ()
    files = list(walk_files(folder, IMAGE_SUFFIXES))
    if not files:
        report.problem('empty folder: no photo in it', folder)
        return {}, ()
    places = _places(files)
    found: dict[str, str] = {}
    for name in names:
        plain = name.replace('\\', '/')
        candidates = [key for key in (plain, PurePosixPath(plain).name) if _folded(key) in places]
        if not candidates:
            report.problem('photo of a row not found', folder / plain)
            continue
        matches = places[_folded(candidates[0])]
        exact = {file for file in matches if candidates[0] in (file, image_id(file))} or matches
        if len(exact) > 1:
            report.problem(
                'row that fits several photos; write the extension or the folder',
                name,
                ', '.join(sorted(exact)),
            )
            continue
        found[name] = next(iter(exact))
    unused = tuple(folder / file for file in sorted(set(files) - set(found.values())))
    for path in unused:
        report.note('photos without a row (they are not used)', path)
    return {name: (file, folder / file) for name, file in found.items()}, unused


def _folded(name: str) -> str:
    """Name in lower case with composed accents, as on Windows and Linux; macOS decomposes them."""
    return unicodedata.normalize('NFC', name).casefold()


def _places(files: Iterable[str]) -> dict[str, set[str]]:
    """Files by all names that a row may use for them."""
    places: dict[str, set[str]] = {}
    for file in files:
        plain = PurePosixPath(file).name
        for key in {file, image_id(file), plain, image_id(plain)}:
            places.setdefault(_folded(key), set()).add(file)
    return places


def _check_names(found: Mapping[str, tuple[str, Path]], report: CheckReport) -> None:
    """Report rows for the same photo, and photos whose results would have the same file name."""
    ids: dict[str, str] = {}
    for name, (file, _) in found.items():
        key = image_id(file)
        unfit = name_problem(file)
        if unfit:
            report.problem('photo whose name cannot be an id; rename it', repr(file), unfit)
        if key in ids:
            report.problem(
                'two rows of one photo, or photos that differ in their extension only; rename one',
                name,
                f'as {ids[key]!r}',
            )
        ids.setdefault(key, name)


def check_photo_files(
    files: Iterable[Path], report: CheckReport, *, decode: bool = False, workers: int = 0
) -> None:
    """Check every photo.

    Args:
        files: The photos.
        report: Report that receives problems and notes.
        decode: Decode every photo; otherwise its header and its end are checked.
        workers: Processes, used for many photos.
    """
    jobs = [(str(path), decode) for path in files]
    chunks = [jobs[start : start + CHUNK] for start in range(0, len(jobs), CHUNK)]
    results = bounded_map(inspect_photos, chunks, workers if len(chunks) > FEW_CHUNKS else 0)
    console = Console(stderr=True)
    for problems, notes in track(
        results, 'checking', len(chunks), console=console, disable=not chunks
    ):
        for problem in problems:
            report.problem(*problem)
        for note in notes:
            report.note(*note)


def check_targets(
    out: Path,
    files: Mapping[str, Path],
    report: CheckReport,
    max_side: int | None = None,
    *,
    upright: bool = False,
) -> None:
    """Report photos in ``JPEGImages`` that differ from those to be written there."""
    for name, path in files.items():
        target = output_path(out / 'JPEGImages', name, what='photo')
        turned = upright and target.exists() and target.read_bytes() == upright_content(path)
        if target.exists() and not turned and not _is_there(target, path, max_side):
            report.problem(
                'another photo of that name is there already; choose another --out', target
            )


def _is_there(target: Path, path: Path, max_side: int | None) -> bool:
    """Whether a file of the data set is the photo or its copy."""
    if _is_converted(path) or _is_smaller(path, max_side):
        with open_image(path) as photo, open_image(target) as copy:
            expected = _small_size(shown_size(photo), max_side)
            return shown_size(copy) == expected
    return target.samefile(path) or (path.is_file() and filecmp.cmp(target, path, shallow=False))


def _is_converted(path: Path) -> bool:
    """Whether a photo is stored in another format."""
    return path.suffix.lower() in CONVERTED


def _is_smaller(path: Path, max_side: int | None) -> bool:
    """Whether a photo has to be downscaled."""
    if max_side is None:
        return False
    with open_image(path) as photo:
        return max(photo.size) > max_side


def _small_size(size: tuple[int, int], max_side: int | None) -> tuple[int, int]:
    """(H,W) of the downscaled copy made by :func:`mmwsss.utils.image_io.shrink`."""
    factor = 1.0 if max_side is None else min(1.0, max_side / max(size))
    return max(1, round(size[0] * factor)), max(1, round(size[1] * factor))


def write_photo_set(
    out: Path,
    photos: PhotoSet,
    *,
    copy: bool = False,
    max_side: int | None = None,
    upright: bool = False,
) -> None:
    """Write photos to ``JPEGImages``, then the tables.

    HEIC and GIF photos are copied as JPEG and PNG.

    Args:
        out: Folder of the data set.
        photos: Result of :func:`match_photos`.
        copy: Copy photos instead of linking to them.
        max_side: Photos with a longer side are stored as downscaled copies, which are upright and
            have 8 bits.
        upright: Rewrite photos with an EXIF orientation, rotated as viewers show them.
    """
    jobs = photos.files.items()
    console = Console(file=sys.stderr)
    for name, file in track(jobs, 'photos', console=console, disable=max_side is None):
        target = output_path(out / 'JPEGImages', name, what='photo')
        if target.exists():
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        target.unlink(missing_ok=True)  # a broken link
        if _is_converted(file) or _is_smaller(file, max_side):
            _write_copy(target, file, max_side)
        elif upright and (content := upright_content(file)) is not None:
            with atomic_open(target) as stream:
                stream.write(content)
        elif copy:
            shutil.copy2(file, target)
        else:
            target.symlink_to(os.path.relpath(file, target.parent))
    write_tags(out / 'image_tags.csv', photos.table)
    _write_lines(out / 'classes.txt', ('background', *photos.classes))
    _write_lines(out / 'all.txt', map(image_id, photos.table))
    for split in sorted(set(photos.splits.values())):
        ids = (image_id(name) for name in photos.table if photos.splits[name] == split)
        _write_lines(out / f'{split}.txt', ids)


def _write_lines(path: Path, lines: Iterable[str]) -> None:
    with atomic_open(path, 'w', encoding='utf-8', newline='\n') as text:
        text.write('\n'.join(lines) + '\n')


def _write_copy(target: Path, file: Path, max_side: int | None) -> None:
    """Write a photo as viewers show it, in the format of the file name and not larger than
    allowed.
    """
    image = swap_channels(shrink(read_image(file), max_side))
    with atomic_open(target) as stream:
        kind = Image.registered_extensions()[target.suffix.lower()]
        Image.fromarray(image).save(stream, kind, quality=QUALITY)
