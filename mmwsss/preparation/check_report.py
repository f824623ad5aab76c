"""Report of a data check: all problems in one report instead of one error at a time."""

import sys
from pathlib import Path

from mmwsss.utils.io import atomic_open


class CheckReport:
    """Problems, which block further processing, and notes, which do not, each with its file.

    Args:
        subject (str): Name of what is checked; starts the report.
    """

    def __init__(self, subject: str) -> None:
        self.subject = subject
        self._problems: dict[str, list[tuple[str, str]]] = {}
        self._notes: dict[str, list[tuple[str, str]]] = {}

    def problem(self, kind: str, where: str | Path, detail: object = '') -> None:
        """Add a problem.

        Args:
            kind (str): Description of the problem and its remedy; entries of the same kind are
                listed together.
            where (str | Path): The file, or the file and the line.
            detail: Details, as text or a number.
        """
        self._problems.setdefault(kind, []).append((str(where), str(detail)))

    def note(self, kind: str, where: str | Path = '', detail: object = '') -> None:
        """Add a note; arguments as for :meth:`problem`; ``where`` may be empty."""
        self._notes.setdefault(kind, []).append((str(where), str(detail)))

    @property
    def num_problems(self) -> int:
        """int: Number of problems."""
        return sum(map(len, self._problems.values()))

    @property
    def exit_code(self) -> int:
        """int: 1 if there are problems, otherwise 0."""
        return int(self.num_problems > 0)

    def text(self) -> str:
        """The whole report, with one line per file."""
        notes = sum(map(len, self._notes.values()))
        lines = [f'{self.subject}: {_count(self.num_problems, "problem")}, {_count(notes, "note")}']
        for word, groups in (('problem', self._problems), ('note', self._notes)):
            for kind, entries in groups.items():
                lines.append(f'{word}: {kind}' + (f' ({len(entries)})' if len(entries) > 1 else ''))
                texts = [': '.join(filter(None, entry)) for entry in entries]
                lines += [f'  {text}' for text in texts if text]
        return '\n'.join(lines)

    def publish(self, path: str | Path | None = None) -> None:
        """Print :meth:`text` to the standard error, and write it to a file if one is given."""
        if path is not None:
            self.write(path)
        sys.stderr.write(self.text() + '\n')

    def write(self, path: str | Path) -> None:
        """Write :meth:`text` to a file, atomically."""
        with atomic_open(path, 'w', encoding='utf-8') as file:
            file.write(self.text() + '\n')


def _count(number: int, noun: str) -> str:
    return f'{number} {noun}{"" if number == 1 else "s"}'
