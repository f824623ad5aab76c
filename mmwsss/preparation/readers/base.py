"""What every reader of tags shares: one interface, and the words of the report."""

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
    splits: dict[str, str] | None = None  # image -> 'train', 'val' or 'test', where it says so


class ReadOptions(NamedTuple):
    """What a user says about a source.

    Attributes:
        classes: Names without background, for files that have only numbers.
        separator: Between tags, where it cannot be guessed.
        images: Folder of the photos, for sources that are read from photos.
    """

    classes: Sequence[str] | None = None
    separator: str | None = None
    images: Path | None = None


class TagReader(ABC):
    """A format of tags. A reader is asked in turn whether a source is its own, by the content."""

    kind: ClassVar[str]
    """Name for messages."""

    @abstractmethod
    def fits(self, path: Path, content: Any) -> bool:
        """Whether a source is of this format.

        Args:
            path: File or folder.
            content: The parsed file where it is JSON or XML, else None.
        """

    @abstractmethod
    def read(
        self, path: Path, content: Any, report: CheckReport, options: ReadOptions
    ) -> TagSource:
        """Read a source that fits; everything that is wrong goes into the report.

        Raises:
            ValueError: It cannot be read at all. The message names the file.
        """


def unique_tags(tags: Iterable[str]) -> list[str]:
    """Tags without blanks around them, each once, in order."""
    return list(dict.fromkeys(tag.strip() for tag in tags if tag.strip()))


class TagTable:
    """Rows of images that may come in several parts.

    Args:
        report: Takes what is malformed.
    """

    def __init__(self, report: CheckReport) -> None:
        self.rows: dict[str, list[str]] = {}
        self.report = report

    def add(self, where: str | Path, image: object, tags: Iterable[object]) -> None:
        """Add tags to an image; they may be empty."""
        names = list(tags)
        if not isinstance(image, str) or not image or not all(isinstance(n, str) for n in names):
            detail = f'expected the name of an image and tags, found {image!r}: {names!r}'
            self.report.problem(MALFORMED, where, detail[:200])
            return
        self.rows[image] = unique_tags([*self.rows.get(image, ()), *map(str, names)])
