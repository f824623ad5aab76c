"""Every function of the package is annotated.

That the annotations agree with the code is checked by mypy in ``make lint``.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / 'mmwsss'
TYPED = (
    'apis',
    'checkpoints',
    'datasets',
    'engine',
    'evaluation',
    'functional',
    'models',
    'preparation',
    'structures',
    'utils',
    'visualization',
)


def functions(tree: ast.AST) -> Iterator[tuple[ast.FunctionDef, bool]]:
    """Every function of a module, and whether its first argument is the instance or the class."""
    for node in ast.walk(tree):
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.FunctionDef):
                static = any(ast.unparse(mark) == 'staticmethod' for mark in child.decorator_list)
                yield child, isinstance(node, ast.ClassDef) and not static


def unannotated(source: str) -> list[tuple[int, str]]:
    """Line and name of each function with an argument or a return value without annotation."""
    offenders = []
    for function, bound in functions(ast.parse(source)):
        arguments = function.args
        names = [*arguments.posonlyargs, *arguments.args][bound:] + arguments.kwonlyargs
        names += [star for star in (arguments.vararg, arguments.kwarg) if star is not None]
        if function.returns is None or any(name.annotation is None for name in names):
            offenders.append((function.lineno, function.name))
    return offenders


@pytest.mark.parametrize('package', TYPED)
def test_every_function_is_annotated(package):
    offenders = [
        f'{path.relative_to(PACKAGE.parent)}:{line}: {name}'
        for path in sorted((PACKAGE / package).rglob('*.py'))
        for line, name in unannotated(path.read_text())
    ]
    assert not offenders, 'functions without annotations:\n' + '\n'.join(offenders)


def test_package_is_marked_as_typed():
    assert (PACKAGE / 'py.typed').is_file()


@pytest.mark.parametrize(
    'source, names',
    [
        ('def f(x: int) -> int: ...', []),
        ('def f(x) -> int: ...', ['f']),
        ('def f(x: int): ...', ['f']),
        ('def f(*x: int, **y) -> int: ...', ['f']),
        ('def f(*, x) -> int: ...', ['f']),
        ('class A:\n    def f(self, x: int) -> int: ...', []),
        ('class A:\n    @staticmethod\n    def f(x) -> int: ...', ['f']),
        ('def f() -> int:\n    def g(x): ...', ['g']),
    ],
)
def test_the_check_finds_what_is_missing(source, names):
    assert [name for _, name in unannotated(source)] == names
