"""Common part of all tag readers: the interface and the texts of the report."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

from mmwsss.preparation.check_report import CheckReport

MALFORMED = 'a row that cannot be read'
TWICE = 'image listed twice'


class TagSource(NamedTuple):
    """Content of a tag source."""

    kind: str  # for messages
    table: dict[str, list[str]]  # image as written -> tags
    classes: tuple[str, ...] | None  # the classes it lists, without background
    files: dict[str, Path] | None  # image -> path, of folders
    splits: dict[str, str] | None = None  # image -> 'train', 'val' or 'test', if given


class ReadOptions(NamedTuple):
    """Options of the user for a source.

    Attributes:
        classes: Class names without background, for files that contain only numbers.
        separator: Separator between tags, if it cannot be inferred.
        images: Folder of the photos, for sources that are read from photos.
    """

    classes: Sequence[str] | None = None
    separator: str | None = None
    images: Path | None = None


class TagReader(ABC):
    """A tag format. Readers are tried in order, and recognise their sources by the content."""

    kind: ClassVar[str]
    """Name for messages."""

    @abstractmethod
    def fits(self, path: Path, content: Any) -> bool:
        """Whether a source is of this format.

        Args:
            path: File or folder.
            content: The parsed file if it is JSON or XML, otherwise None.
        """

    @abstractmethod
    def read(
        self, path: Path, content: Any, report: CheckReport, options: ReadOptions
    ) -> TagSource:
        """Read a source of this format; all problems are added to the report.

        Raises:
            ValueError: The source cannot be read at all. The message names the file.
        """


def unique_tags(tags: Iterable[str]) -> list[str]:
    """Tags without surrounding blanks and repetitions, in order."""
    return list(dict.fromkeys(tag.strip() for tag in tags if tag.strip()))


class TagTable:
    """Rows of images, which may consist of several parts.

    Args:
        report: Report that receives malformed rows.
    """

    def __init__(self, report: CheckReport) -> None:
        self.rows: dict[str, list[str]] = {}
        self.report = report

    def add(self, where: str | Path, image: object, tags: Iterable[object]) -> None:
        """Add tags, possibly none, to an image."""
        names = list(tags)
        if not isinstance(image, str) or not image or not all(isinstance(n, str) for n in names):
            detail = f'expected the name of an image and tags, found {image!r}: {names!r}'
            self.report.problem(MALFORMED, where, detail[:200])
            return
        self.rows[image] = unique_tags([*self.rows.get(image, ()), *map(str, names)])
