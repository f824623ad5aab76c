"""A folder of photos per tag."""

import filecmp
from pathlib import Path
from typing import Any

from mmwsss.preparation.check_report import CheckReport
from mmwsss.utils.file_lookup import IMAGE_SUFFIXES, is_hidden

from .base import ReadOptions, TagReader, TagSource

UNTAGGED_FOLDERS = ('background', 'untagged')
# of a data set, so no tags
DATA_FOLDERS = (
    'JPEGImages',
    'ImageSets',
    'SegmentationClass',
    'SegmentationClassAug',
    'Annotations',
)
TAG_TABLE = 'image_tags.csv'  # marks a folder as a data set that was created inside the source


class ClassFolderReader(TagReader):
    """One subfolder per tag; a photo that lies in several has several tags, one in ``untagged`` or
    ``background`` has none.
    """

    kind = 'folders of tags'

    def fits(self, path: Path, content: Any) -> bool:
        """See :meth:`TagReader.fits`; the last reader that is asked about a folder."""
        return path.is_dir()

    def read(
        self, path: Path, content: Any, report: CheckReport, options: ReadOptions
    ) -> TagSource:
        """See :meth:`TagReader.read`."""
        return _read_folders(path, report)


def _tag_folders(path: Path, report: CheckReport) -> list[Path]:
    """The folders of tags, without hidden ones and those of a data set."""
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


def _read_folders(path: Path, report: CheckReport) -> TagSource:
    """A folder per tag."""
    folders = _tag_folders(path, report)
    if not folders:
        report.problem('no folder of a tag in it', path)
    table: dict[str, list[str]] = {}
    files: dict[str, Path] = {}
    for folder in folders:
        images = sorted(
            file
            for file in folder.iterdir()
            if file.suffix.lower() in IMAGE_SUFFIXES and not is_hidden(file.name)
        )
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
