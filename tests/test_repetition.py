"""No six lines of code stand twice in the package or in the pipeline configs.

Lines are compared without their indentation and their comments. Boilerplate does not count and is
passed over, so that a run goes on behind it:

- blank lines, comments and docstrings;
- imports;
- signatures, from the first decorator to the line before the body: overrides have to repeat them;
- lines without a letter or digit, such as closing brackets, and lone ``else:``, ``try:`` and
  ``pass``.
"""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from tests.test_import_graph import PACKAGE, ROOT, tree_of

LENGTH = 6
Lines = list[tuple[int, str]]


def statements(tree: ast.AST) -> Iterator[ast.AST]:
    """Every statement of a module, without a look into its expressions."""
    pending = [tree]
    while pending:
        node = pending.pop()
        yield node
        for field in ('body', 'handlers', 'orelse', 'finalbody'):
            pending += getattr(node, field, [])


def boilerplate(tree: ast.AST) -> set[int]:
    """Numbers of the lines of imports, docstrings and signatures."""
    numbers: set[int] = set()
    for node in statements(tree):
        start, stop = 0, 0
        if isinstance(node, (ast.Import, ast.ImportFrom)) or is_text(node):
            start, stop = node.lineno, node.end_lineno + 1
        elif isinstance(node, (ast.ClassDef, ast.FunctionDef)):
            start = min(part.lineno for part in (node, *node.decorator_list))
            stop = node.body[0].lineno
        numbers.update(range(start, stop))
    return numbers


def is_text(node: ast.AST) -> bool:
    """Whether a statement is a docstring."""
    return isinstance(node, ast.Expr) and isinstance(getattr(node.value, 'value', None), str)


def code_lines(source: str, tree: ast.AST) -> Lines:
    """Number and text of the lines that count."""
    skipped = boilerplate(tree)
    lines = []
    for number, line in enumerate(source.splitlines(), 1):
        text = re.sub(r'(^|\s)# .*', '', line).strip()
        thin = not re.search(r'\w', text) or text in ('else:', 'try:', 'pass')
        if not thin and number not in skipped:
            lines.append((number, text))
    return lines


def repetitions(files: dict[str, Lines]) -> list[str]:
    """Places of each run of six lines that stands more than once."""
    places = defaultdict(list)
    for name, lines in files.items():
        for start in range(len(lines) - LENGTH + 1):
            run = lines[start : start + LENGTH]
            places[tuple(text for _, text in run)].append(f'{name}:{run[0][0]}-{run[-1][0]}')
    return [' = '.join(found) for found in places.values() if len(found) > 1]


def test_no_six_lines_stand_twice():
    paths = [*PACKAGE.rglob('*.py'), *(ROOT / 'configs' / 'pipelines').glob('*.py')]
    files = {
        str(path.relative_to(ROOT)): code_lines(path.read_text(encoding='utf-8'), tree_of(path))
        for path in sorted(paths)
    }
    repeated = repetitions(files)
    assert not repeated, '\n'.join([f'{LENGTH} or more lines stand twice:', *repeated])


BODY = """    a = 1  # {0}
    b = '# 2'
    if a:
        c = (
            a
        )
    else:
        d = b
    e = 5
"""


def test_repeated_bodies_are_found(tmp_path: Path):
    """Comments, indentation, signatures and docstrings make no difference."""
    one = 'def f(x: int):\n    """Add."""\n' + BODY.format('one')
    other = 'import os\n\n@g\ndef h(\n    y,\n):\n' + BODY.format('two') + '    return y\n'
    files = {name: code_lines(text, ast.parse(text)) for name, text in (('f', one), ('h', other))}
    # the last runs of `h` hold its return
    assert repetitions(files) == ['f:3-10 = h:7-14', 'f:4-11 = h:8-15']
    assert repetitions({'f': files['f']}) == []
