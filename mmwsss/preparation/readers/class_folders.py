"""A folder of photos per tag."""

import filecmp
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mmwsss.preparation.check_report import CheckReport
from mmwsss.utils.file_lookup import IMAGE_SUFFIXES, is_hidden

from .base import ReadOptions, TagReader, TagSource

UNTAGGED_FOLDERS = ('background', 'untagged')
# folders of a data set, which are not tags
DATA_FOLDERS = (
    'JPEGImages',
    'ImageSets',
    'SegmentationClass',
    'SegmentationClassAug',
    'Annotations',
)
SPLITS = {
    'train': 'train',
    'training': 'train',
    'val': 'val',
    'valid': 'val',
    'validation': 'val',
    'test': 'test',
    'testing': 'test',
}
IN_TWO_SPLITS = 'photo that two splits hold (results on the second are too good)'
TAG_TABLE = 'image_tags.csv'  # marks a folder as a data set that was created inside the source


class ClassFolderReader(TagReader):
    """One subfolder per tag; a photo in several of them has several tags, and a photo in
    ``untagged`` or ``background`` has none. The subfolders may be inside folders ``train``, ``val``
    and ``test``.
    """

    kind = 'folders of tags'

    def fits(self, path: Path, content: Any) -> bool:
        """See :meth:`TagReader.fits`; the last reader that is tried for a folder."""
        return path.is_dir()

    def read(
        self, path: Path, content: Any, report: CheckReport, options: ReadOptions
    ) -> TagSource:
        """See :meth:`TagReader.read`."""
        if splits := _split_folders(path, report):
            return _read_splits(splits, report)
        return _read_folders(path, report)


def _tag_folders(path: Path, report: CheckReport) -> list[Path]:
    """The folders of tags, except for hidden ones and those of a data set."""
    folders = sorted(
        folder for folder in path.iterdir() if folder.is_dir() and not is_hidden(folder.name)
    )
    own = [
        folder
        for folder in folders
        if folder.name in DATA_FOLDERS or (folder / TAG_TABLE).is_file()
    ]
    for folder in own:
        report.note('folder of a data set, not of a tag (left out)', folder)
    return [folder for folder in folders if folder not in own]


def _split_folders(path: Path, report: CheckReport) -> list[Path]:
    """The folders ``train``, ``val`` and ``test`` if they contain the folders of tags."""
    folders = [folder for folder in sorted(path.iterdir()) if folder.is_dir()]
    splits = [folder for folder in folders if _is_split(folder)]
    others = [folder for folder in folders if folder not in splits and not is_hidden(folder.name)]
    if splits and others:
        report.problem(
            'folder next to those of the splits: move it into one of them, or out of this folder',
            others[0],
        )
    return splits


def _is_split(folder: Path) -> bool:
    """Whether a folder has the name of a split and contains folders; a folder of photos is a
    tag.
    """
    if folder.name.lower() not in SPLITS:
        return False
    return any(entry.is_dir() and not is_hidden(entry.name) for entry in folder.iterdir())


def _read_splits(folders: list[Path], report: CheckReport) -> TagSource:
    """Read folders of tags in folders of splits; a photo is named ``<split>/<file>``."""
    table: dict[str, list[str]] = {}
    files: dict[str, Path] = {}
    splits: dict[str, str] = {}
    classes: list[str] = []
    for folder in folders:
        for photo in _photos(folder):
            report.problem('photo outside the folders of tags', photo)
        part = _read_folders(folder, report)
        table.update({f'{folder.name}/{name}': tags for name, tags in part.table.items()})
        found = {f'{folder.name}/{name}': file for name, file in (part.files or {}).items()}
        files.update(found)
        splits.update(dict.fromkeys(found, SPLITS[folder.name.lower()]))
        classes += part.classes or ()
    _note_shared(files, splits, report)
    kind = 'folders of tags in folders of splits'
    return TagSource(kind, table, tuple(sorted(set(classes))), files, splits)


def _note_shared(files: dict[str, Path], splits: dict[str, str], report: CheckReport) -> None:
    """Note photos with the same content in two splits."""
    by_size: dict[int, list[str]] = {}
    for name, file in files.items():
        if file.is_file():
            by_size.setdefault(file.stat().st_size, []).append(name)
    for names in by_size.values():
        for index, name in enumerate(names):
            for other in names[:index]:
                if splits[name] != splits[other] and _same(files[name], files[other]):
                    report.note(IN_TWO_SPLITS, files[name], f'is {files[other]}')


def _photos(folder: Path) -> Iterator[Path]:
    """The photos in a folder itself, sorted."""
    for file in sorted(folder.iterdir()):
        if file.suffix.lower() in IMAGE_SUFFIXES and not is_hidden(file.name):
            yield file


def _read_folders(path: Path, report: CheckReport) -> TagSource:
    """A folder per tag."""
    folders = _tag_folders(path, report)
    names = {folder.name.lower() for folder in folders}
    if not folders:
        report.problem('no folder of a tag in it', path)
    elif len(names) > 1 and names <= {*SPLITS}:
        report.problem('folders of splits without folders of tags in them', path)
    table: dict[str, list[str]] = {}
    files: dict[str, Path] = {}
    for folder in folders:
        images = list(_photos(folder))
        if not images:
            report.problem('empty folder', folder, f'expected images ({", ".join(IMAGE_SUFFIXES)})')
        for file in images:
            if file.name in files and not _same(file, files[file.name]):
                report.problem(
                    'different photos of one name; rename one',
                    file,
                    f'not the same as {files[file.name]}',
                )
                continue
            files.setdefault(file.name, file)
            table.setdefault(file.name, [])
            if folder.name not in UNTAGGED_FOLDERS:
                table[file.name].append(folder.name)
    classes = tuple(folder.name for folder in folders if folder.name not in UNTAGGED_FOLDERS)
    return TagSource('folders of tags', table, classes, files)


def _same(one: Path, two: Path) -> bool:
    regular = one.is_file() and two.is_file()
    return regular and filecmp.cmp(one, two, shallow=False)
