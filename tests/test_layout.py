"""Where things lie: every source file has a test of its own, and the documented rooms are the ones
that exist.
"""

import ast
import re
from functools import cache
from pathlib import Path

from tests.test_import_graph import LAYERS, MODULES, PACKAGE, ROOT, imported, tree_of

# names alone, no behaviour of their own
WITHOUT_TESTS = ('version.py',)


@cache
def words_of(path: Path) -> frozenset[str]:
    """Names that a test file imports or writes, those in strings such as ``mmwsss.GETAM``
    included.
    """
    text = path.read_text(encoding='utf-8')
    return frozenset(re.findall(r'\w+', text))


@cache
def modules_of(path: Path) -> frozenset[str]:
    """Modules of the package that a test file imports."""
    return frozenset(imported('tests', path, ast.walk(tree_of(path))))


def dotted(path: Path) -> str:
    """Name of a module."""
    return next(name for name, file in MODULES.items() if file == path)


def public_names(path: Path) -> set[str]:
    """Classes and functions of a module; the registered ones alone where there are any."""
    nodes = [
        node for node in tree_of(path).body if isinstance(node, (ast.ClassDef, ast.FunctionDef))
    ]
    registered = [
        node.name
        for node in nodes
        if any('register' in ast.unparse(e) for e in node.decorator_list)
    ]
    return set(registered) or {node.name for node in nodes if not node.name.startswith('_')}


def has_test(path: Path) -> bool:
    """Whether a source file has ``test_<name>.py`` or ``test_<name>_<part>.py`` in the mirrored
    folder, or else a test file there (of a family, such as ``test_cams.py``) that imports it or
    names all of its public classes or functions.
    """
    folder = ROOT / 'tests' / path.relative_to(PACKAGE).parent
    if [*folder.glob(f'test_{path.stem}.py'), *folder.glob(f'test_{path.stem}_*.py')]:
        return True
    families = [*folder.glob('test_*.py'), folder.parent / f'test_{folder.name}.py']
    names, module = public_names(path), dotted(path)
    return any(
        module in modules_of(family) or (names and names <= words_of(family))
        for family in families
        if family.is_file()
    )


def test_every_source_file_has_a_test_file():
    sources = [
        path
        for path in MODULES.values()
        if path.name != '__init__.py' and path.relative_to(PACKAGE).as_posix() not in WITHOUT_TESTS
    ]
    missing = [str(path.relative_to(ROOT)) for path in sources if not has_test(path)]
    assert not missing, '\n'.join(['no mirrored test file:', *missing])


def test_packages_are_documented():
    packages = {path.parent.name for path in PACKAGE.glob('*/__init__.py')}
    modules = {path.stem for path in PACKAGE.glob('*.py')}
    assert packages == set(LAYERS) - modules
    table = (ROOT / 'docs' / 'design.md').read_text(encoding='utf-8')
    described = set(re.findall(r'^\| `(\w+)/` ', table, re.MULTILINE))
    assert described == packages | {'tools', 'benchmarks'}
    drawn = (ROOT / 'resources' / 'imports.svg').read_text(encoding='utf-8')
    assert set(re.findall(r'class="n">(\w+)<', drawn)) == packages | {'registry', 'tools'}


def body_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Number of lines of a function without its signature and its docstring."""
    body = function.body[ast.get_docstring(function, clean=False) is not None :]
    return body[-1].end_lineno - body[0].lineno + 1 if body else 0


def test_functions_are_short():
    """Nine of ten functions have at most 20 lines: a step of a longer one deserves a name."""
    lengths = sorted(
        body_lines(node)
        for path in MODULES.values()
        for node in ast.walk(tree_of(path))
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
    )
    assert lengths[int(0.9 * len(lengths))] <= 20


def test_lines_are_short():
    lines = [
        (len(line), f'{path.relative_to(ROOT)}:{number}')
        for path in MODULES.values()
        for number, line in enumerate(path.read_text(encoding='utf-8').splitlines(), 1)
        if line.strip()
    ]
    assert not [place for length, place in lines if length > 100]
    assert sum(length for length, _ in lines) / len(lines) <= 48


def test_body_lines_leave_out_signature_and_docstring():
    source = """def f(
    x,
):
    'One.'
    y = (
        x
    )
    return y
"""
    documented, empty = ast.parse(source).body[0], ast.parse('def f(): """One."""').body[0]
    assert (body_lines(documented), body_lines(empty)) == (4, 0)
