"""``--cfg-options key=value`` with values as typed, including blanks and commas in paths."""

import argparse
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any

PAIRS = {'[': ']', '(': ')'}
QUOTES = '\'"'


class CommaList(list):
    """A list that was typed without brackets, ``a,b``; :attr:`text` is the typed text, for settings
    that are texts.
    """

    def __init__(self, values: Sequence[Any], text: str) -> None:
        super().__init__(values)
        self.text = text


class DictAction(argparse.Action):
    """Collects ``key=value`` arguments into a dictionary.

    Numbers, ``True``, ``False`` and ``None`` are converted; ``[1, 2]`` and ``1,2`` become lists and
    ``(1, 2)`` a tuple, nested as needed. Everything else is kept as the typed text: a value with a
    path separator keeps its blanks and commas (``data_root=/media/My Drive/Fotos, 2023``), and so
    does one in quotes (``name='a, b'``).
    """

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str | Sequence[Any] | None,
        option_string: str | None = None,
    ) -> None:
        """Parse the arguments that follow the option."""
        options = dict(getattr(namespace, self.dest, None) or {})
        for argument in [values] if isinstance(values, str) else values or ():
            key, equals, text = argument.partition('=')
            if not equals or not key.strip():
                parser.error(
                    f'{option_string}: expected key=value, found {argument!r}; put quotes around a '
                    f'value with blanks: "key=a value"'
                )
            try:
                options[key.strip()] = parse_value(text)
            except ValueError as error:
                parser.error(f'{option_string}: {argument}: {error}')
        setattr(namespace, self.dest, options)


def choice_of(module: str, name: str) -> Callable[[str], str]:
    """``type`` of an option that takes one of the names listed in a module.

    The module is imported when the option is given, not for ``--help``.

    Args:
        module (str): Full name of the module.
        name (str): Collection of names in the module.
    """

    def choice(text: str) -> str:
        known = tuple(getattr(import_module(module), name))
        if text not in known:
            raise argparse.ArgumentTypeError(
                f'{text!r} is not one of {", ".join(str(entry) for entry in known)}'
            )
        return text

    return choice


def unit_number(text: str) -> float:
    """``type`` of an option that takes a number in [0,1], such as a background threshold."""
    try:
        value = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f'{text!r} is not a number') from None
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f'must be in [0,1], as the maps are; got {text}')
    return value


def positive_integer(text: str) -> int:
    """``type`` of an option that takes a number of things, 1 or more."""
    try:
        value = int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f'{text!r} is not a whole number') from None
    if value < 1:
        raise argparse.ArgumentTypeError(f'must be at least 1, got {value}')
    return value


def parse_value(text: str) -> Any:
    """Value of a text on the command line, see :class:`DictAction`.

    Raises:
        ValueError: Brackets or quotes inside a list do not match.
    """
    text = text.strip()
    # one pair of quotes around the whole value; 'a', 'b' is a list
    if len(text) > 1 and text[0] in QUOTES and text[-1] == text[0] and text.count(text[0]) == 2:
        return text[1:-1]
    if len(text) > 1 and PAIRS.get(text[0]) == text[-1]:
        items = [parse_value(item) for item in _split(text[1:-1])]
        return tuple(items) if text[0] == '(' else items
    # a comma in a path is part of the path
    if ',' in text and '/' not in text and '\\' not in text:
        return CommaList([parse_value(item) for item in _split(text)], text)
    return _plain(text)


def format_option(key: str, value: Any) -> str:
    """``key=value`` that :func:`parse_value` reads as ``value``; not yet quoted for a shell."""
    text = str(value)
    if isinstance(value, str) and parse_value(text) != value:
        quote = '"' if "'" in text else "'"
        text = f'{quote}{text}{quote}'
    return f'{key}={text}'


def settle_comma_lists(options: Mapping[str, Any], current: Any) -> dict[str, Any]:
    """Resolve values that were typed as ``a,b``: text if the setting is a text, otherwise a list.

    Args:
        options (Mapping): ``{'a.b': value}``.
        current (Config): Config that is overridden.
    """
    settled = {}
    for key, value in options.items():
        if isinstance(value, CommaList):
            value = value.text if isinstance(_look_up(current, key), str) else _as_list(value)
        settled[key] = value
    return settled


def _as_list(value: Any) -> Any:
    if isinstance(value, list):
        return [_as_list(item) for item in value]
    return tuple(_as_list(item) for item in value) if isinstance(value, tuple) else value


def _look_up(node: Any, key: str) -> Any:
    for part in key.split('.'):
        if isinstance(node, (list, tuple)):
            node = node[int(part)] if part.isdigit() and int(part) < len(node) else None
        else:
            node = node.get(part) if hasattr(node, 'get') else None
    return node


def _split(text: str) -> list[str]:
    """Split at the commas outside of brackets and quotes; a last comma ends the list."""
    items, start, closing, quote = [], 0, [], ''
    for index, char in enumerate(text):
        if quote:
            quote = '' if char == quote else quote
        elif char in QUOTES and not text[start:index].strip():
            quote = char
        elif char in PAIRS:
            closing.append(PAIRS[char])
        elif char in PAIRS.values():
            if not closing or closing.pop() != char:
                raise ValueError(f'unbalanced {char!r}')
        elif char == ',' and not closing:
            items.append(text[start:index])
            start = index + 1
    if closing or quote:
        raise ValueError(f'{closing[-1] if closing else quote} is missing')
    rest = text[start:]
    return [*items, rest] if rest.strip() else items


def _plain(text: str) -> Any:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    words = {'true': True, 'false': False}
    return None if text == 'None' else words.get(text.lower(), text)
