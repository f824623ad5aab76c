"""Streaming of arrays in large JSON files element by element, so that memory does not grow with the
file.
"""

import json
import re
from codecs import BOM_UTF8
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

from mmwsss.utils.limits import MIB, check_regular_file, limit

_BLANKS, _DELIMITERS = re.compile(r'[ \t\r\n]*'), ' \t\r\n,:]}'
CHUNK = 1 << 22  # characters


class JSONArrays:
    """The arrays of a JSON object, e.g. ``images``, ``annotations`` and ``categories`` of a COCO
    file.

    Iterate to get (name of the array, element, first byte, number of bytes); the last two locate
    the element in the file. Other members are skipped.

    Args:
        path (str | Path): UTF-8 file with an object at the top level.
        names (Sequence[str]): Arrays to read.

    Raises:
        FileNotFoundError: The file does not exist.
        ValueError: The file is truncated or has another form. The message names the file and the
            byte. It is raised during the iteration.
    """

    def __init__(self, path: str | Path, names: Sequence[str]) -> None:
        self.path, self.names = path, frozenset(names)
        self._decode = json.JSONDecoder().raw_decode

    def __iter__(self) -> Iterator[tuple[str, Any, int, int]]:
        check_regular_file(self.path, 'annotation file')
        with open(self.path, 'rb') as file:
            start = len(BOM_UTF8) if file.read(len(BOM_UTF8)) == BOM_UTF8 else 0
            file.seek(start)
            self._file: IO[bytes] = file
            self._text, self._base, self._at = '', start, 0
            self._expect('{')
            while self._peek() != '}':
                name = self._value()[0]
                self._expect(':')
                if name in self.names and self._peek() == '[':
                    yield from self._elements(name)
                else:
                    self._value()
                if self._peek() == ',':
                    self._at += 1

    def _elements(self, name: str) -> Iterator[tuple[str, Any, int, int]]:
        self._expect('[')
        while self._peek() != ']':
            element, start, length = self._value()
            yield name, element, start, length
            if self._peek() == ',':
                self._at += 1
        self._expect(']')

    def _peek(self) -> str:
        """Next character that is not blank."""
        while True:
            blanks = _BLANKS.match(self._text, self._at)
            self._at = self._at if blanks is None else blanks.end()
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._more():
                raise ValueError(
                    f'{self.path}: not a complete JSON file, it ends at byte '
                    f'{self._base + self._at}'
                )

    def _expect(self, character: str) -> None:
        found = self._peek()
        if found != character:
            raise ValueError(
                f'{self.path}: not a JSON object of arrays, {found!r} instead of '
                f'{character!r} at byte '
                f'{self._base + self._at}'
            )
        self._at += 1

    def _value(self) -> tuple[Any, int, int]:
        """Next value, its first byte and its number of bytes."""
        self._peek()
        while True:
            try:
                value, end = self._decode(self._text, self._at)
            except RecursionError as error:
                raise ValueError(
                    f'{self.path}: JSON nested too deeply at byte {self._base + self._at}'
                ) from error
            except ValueError as error:
                if not isinstance(error, json.JSONDecodeError):  # an integer with 4,300 digits
                    raise ValueError(
                        f'{self.path}: not JSON that can be read ({error}) near byte '
                        f'{self._base + self._at}'
                    ) from error
                place = self._base + error.pos
                self._check_length()
                if self._more():
                    continue
                raise ValueError(
                    f'{self.path}: not a complete JSON file, {error.msg} at byte {place}'
                ) from error
            # a number may continue
            if (end == len(self._text) or self._text[end] not in _DELIMITERS) and self._more():
                continue
            text, start = self._text[self._at : end], self._base + self._at
            self._at = end
            if not text.isascii():
                try:
                    value = json.loads(text.encode('latin-1').decode('utf-8'))
                except UnicodeDecodeError as error:
                    raise ValueError(
                        f'{self.path}: not UTF-8 at byte {start + error.start}'
                    ) from error
            return value, start, len(text)

    def _check_length(self) -> None:
        """Reject a value that is still incomplete after a whole chunk."""
        allowed = limit('MMWSSS_MAX_JSON_MB') * MIB
        if len(self._text) - self._at > allowed:
            raise ValueError(
                f'{self.path}: the value at byte {self._base + self._at} is damaged or longer than '
                f'the {allowed / MIB:.0f} MiB that are read; if it is right set '
                f'MMWSSS_MAX_JSON_MB={-(-len(self._text) // MIB) * 2}'
            )

    def _more(self) -> bool:
        """Read the next chunk and drop the text before the current position; False at the end."""
        data = self._file.read(CHUNK)
        # one character per byte
        self._text, self._base, self._at = (
            self._text[self._at :] + data.decode('latin-1'),
            self._base + self._at,
            0,
        )
        return bool(data)


def read_json_part(file: IO[bytes], start: int, length: int) -> Any:
    """Element of an array, from an open binary file and the position given by
    :class:`JSONArrays`.
    """
    file.seek(start)
    return json.loads(file.read(length).decode('utf-8'))
