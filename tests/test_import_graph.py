"""The rules of the source code that an import or a test run would not notice, checked on the syntax
tree; nothing is imported.
"""

import ast
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / 'mmwsss'
# tools -> apis -> engine -> middle -> {checkpoints, functional, structures} -> {registry, utils}
LAYERS = {
    'utils': 0,
    'registry': 0,
    'version': 0,
    'checkpoints': 1,
    'functional': 1,
    'structures': 1,
    'models': 2,
    'datasets': 2,
    'evaluation': 2,
    'preparation': 2,
    'visualization': 2,
    'engine': 3,
    'apis': 4,
    '__main__': 5,
}
ONE_CLASS_A_FILE = ('models', 'datasets', 'evaluation', 'engine')
ASSIGNMENTS = (ast.Assign, ast.AugAssign, ast.AnnAssign)
MODULES = {
    path.relative_to(ROOT)
    .with_suffix('')
    .as_posix()
    .replace('/', '.')
    .removesuffix('.__init__'): path
    for path in sorted(PACKAGE.rglob('*.py'))
}
TOOLS = sorted([*(ROOT / 'tools').rglob('*.py'), *(ROOT / 'benchmarks').rglob('*.py')])


@cache
def tree_of(path):
    return ast.parse(path.read_text(encoding='utf-8'), str(path))


def layer(module):
    """Package below ``mmwsss``; the package itself re-exports the lowest layer."""
    return (module.split('.') + ['utils'])[1]


def imported(name, path, nodes):
    """Absolute names of the modules of the project that the statements import."""
    package = name if path.stem == '__init__' else name.rpartition('.')[0]
    for node in nodes:
        if isinstance(node, ast.Import):
            found = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = (
                package.split('.')[: len(package.split('.')) - node.level + 1] if node.level else []
            )
            base = '.'.join([*base, *([node.module] if node.module else [])])
            # `from package import x` imports the module x where there is one, else the package
            found = [
                f'{base}.{alias.name}' if f'{base}.{alias.name}' in MODULES else base
                for alias in node.names
            ]
        else:
            continue
        yield from (module for module in found if module.split('.')[0] == 'mmwsss')


def executed_on_import(node):
    """Statements that run when a module is imported: everything outside functions."""
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            yield child
            yield from executed_on_import(child)


def may_import(own, other):
    """Whether a package may import another: from its own floor only below ``models``."""
    return own == other or LAYERS[other] < LAYERS[own] or LAYERS[other] == LAYERS[own] < 2


def report(offenders):
    """One line per offender, for the message of a failed test."""
    return '\n'.join(['', *offenders])


def test_direction():
    offenders = []
    for name, path in MODULES.items():
        for module in imported(name, path, ast.walk(tree_of(path))):
            if module not in MODULES:
                offenders.append(f'{name} imports {module}, which does not exist')
            elif not may_import(layer(name), layer(module)):
                offenders.append(f'{name} must not import {module}')
    assert not offenders, report(offenders)


@pytest.mark.parametrize(
    'own, other, allowed',
    [
        ('models', 'functional', True),
        ('models', 'models', True),
        ('functional', 'structures', True),
        ('models', 'datasets', False),
        ('functional', 'models', False),
        ('engine', 'apis', False),
    ],
)
def test_allowed_directions(own, other, allowed):
    assert may_import(own, other) is allowed


def test_no_cycles():
    graph = {
        name: {
            module
            for module in imported(name, path, executed_on_import(tree_of(path)))
            if module != name
        }
        for name, path in MODULES.items()
    }
    # that a module also runs the packages around it is left out: those import their modules
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        raise AssertionError(' -> '.join(error.args[1])) from error


def test_tools_are_on_top():
    for name, path in MODULES.items():
        for node in ast.walk(tree_of(path)):
            names = (
                [alias.name for alias in node.names]
                if isinstance(node, ast.Import)
                else [node.module or '']
                if isinstance(node, ast.ImportFrom) and not node.level
                else []
            )
            assert not {'tools', 'tests'} & {module.split('.')[0] for module in names}, (
                f'{name} imports from tools or tests'
            )


def called(node):
    """Dotted name of what a call calls, as far as it is one."""
    parts = []
    node = node.func
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    return '.'.join(reversed([*parts, node.id if isinstance(node, ast.Name) else '']))


def forbidden_calls(tree):
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Import)
            and any(alias.name.startswith('mmcv.ops') for alias in node.names)
            or isinstance(node, ast.ImportFrom)
            and (node.module or '').startswith('mmcv.ops')
            or isinstance(node, ast.ImportFrom)
            and node.module == 'mmcv'
            and 'ops' in [alias.name for alias in node.names]
        ):
            yield node, 'mmcv.ops needs a compiled mmcv'
        if not isinstance(node, ast.Call):
            continue
        name, options = (
            called(node),
            {keyword.arg: getattr(keyword.value, 'value', None) for keyword in node.keywords},
        )
        if name.rpartition('.')[2] == 'cuda' and '.' in name:
            yield node, '.cuda(): use .to(device)'
        if options.get('allow_pickle'):
            yield node, 'allow_pickle=True runs code of a file'
        if name in ('np.load', 'numpy.load') and options.get('allow_pickle') is not False:
            yield node, 'np.load without allow_pickle=False'
        if (
            'weights_only' in options
            and options['weights_only'] is not True
            or name == 'torch.load'
            and 'weights_only' not in options
        ):
            yield node, 'torch.load without weights_only=True runs code of a file'


def test_forbidden_calls():
    offenders = []
    for path in [*MODULES.values(), *TOOLS]:
        place = path.relative_to(ROOT)
        tree = tree_of(path)
        offenders += [f'{place}:{node.lineno}: {why}' for node, why in forbidden_calls(tree)]
        if PACKAGE in path.parents:
            offenders += [
                f'{place}:{node.lineno}: print in the package'
                for node in ast.walk(tree)
                if isinstance(node, ast.Call) and called(node) == 'print'
            ]
    assert not offenders, report(offenders)


@pytest.mark.parametrize(
    'source, why',
    [
        ('from mmcv.ops import SyncBatchNorm', 'mmcv.ops'),
        ('from mmcv import ops', 'mmcv.ops'),
        ('x.to(1).cuda()', 'cuda'),
        ('np.load(f)', 'np.load'),
        ('np.load(f, allow_pickle=True)', 'allow_pickle'),
        ('torch.load(f)', 'torch.load'),
        ('torch.load(f, weights_only=False)', 'torch.load'),
    ],
)
def test_forbidden_calls_are_found(source, why):
    assert any(why in found for _, found in forbidden_calls(ast.parse(source)))


def foreign_names(tree):
    """Names that a module binds to other distributions by importing them."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            own = node.level or (node.module or '').startswith('mmwsss')
        elif isinstance(node, ast.Import):
            own = False
        else:
            continue
        if not own:
            names |= {(alias.asname or alias.name).split('.')[0] for alias in node.names}
    return names


def patches(tree):
    """Assignments to an attribute of another distribution."""
    foreign = foreign_names(tree)
    for node in ast.walk(tree):
        if not isinstance(node, ASSIGNMENTS):
            continue
        for target in getattr(node, 'targets', [getattr(node, 'target', None)]):
            if (
                isinstance(target, ast.Attribute)
                and isinstance(target.value, ast.Name)
                and target.value.id in foreign
            ):
                yield node, ast.unparse(target)


def test_other_packages_are_patched_in_one_place():
    offenders = [
        f'{name}:{node.lineno} changes {target}; that belongs in utils/compat.py'
        for name, path in MODULES.items()
        if name != 'mmwsss.utils.compat'
        for node, target in patches(tree_of(path))
    ]
    assert not offenders, report(offenders)


def test_patches_are_found():
    source = 'import torch\nfrom mmwsss import utils\ntorch.x = 1\nutils.y = 2\nz = 3'
    assert [target for _, target in patches(ast.parse(source))] == ['torch.x']


def exported(name):
    """Names that the package of a module gives to the outside."""
    path = MODULES[name.rpartition('.')[0]]
    return {
        alias.asname or alias.name
        for node in tree_of(path).body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }


def is_helper_type(node):
    """A NamedTuple or a dataclass."""
    bases = {ast.unparse(base).rpartition('.')[2] for base in node.bases}
    decorators = {
        ast.unparse(decorator).partition('(')[0].rpartition('.')[2]
        for decorator in node.decorator_list
    }
    return 'NamedTuple' in bases or 'dataclass' in decorators


def public_classes(name):
    """Classes of a module that its package exports or a registry holds."""
    return [
        node.name
        for node in tree_of(MODULES[name]).body
        if isinstance(node, ast.ClassDef)
        and not is_helper_type(node)
        and (
            node.name in exported(name)
            or any('register_module' in ast.unparse(entry) for entry in node.decorator_list)
        )
    ]


def test_one_public_class_a_file():
    several = {
        name: classes
        for name in MODULES
        if layer(name) in ONE_CLASS_A_FILE and len(classes := public_classes(name)) > 1
    }
    assert not several, report(f'{name}: {", ".join(found)}' for name, found in several.items())
