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


@pytest.mark.parametrize('name', MODULES)
def test_direction(name):
    own = layer(name)
    for module in imported(name, MODULES[name], ast.walk(tree_of(MODULES[name]))):
        other = layer(module)
        assert module in MODULES, f'{name} imports {module}, which does not exist'
        allowed = LAYERS[other] < LAYERS[own] or other == own or LAYERS[other] == LAYERS[own] < 2
        assert allowed, f'{name} imports {module}: {own} must not depend on {other}'


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


@pytest.mark.parametrize(
    'path', [*MODULES.values(), *TOOLS], ids=lambda path: path.relative_to(ROOT).as_posix()
)
def test_forbidden_calls(path):
    tree = tree_of(path)
    found = [f'{path}:{node.lineno}: {why}' for node, why in forbidden_calls(tree)]
    if PACKAGE in path.parents:
        found += [
            f'{path}:{node.lineno}: print in the package'
            for node in ast.walk(tree)
            if isinstance(node, ast.Call) and called(node) == 'print'
        ]
    assert not found, found


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


@pytest.mark.parametrize('name', [name for name in MODULES if name != 'mmwsss.utils.compat'])
def test_other_packages_are_patched_in_one_place(name):
    tree = tree_of(MODULES[name])
    foreign = {
        (alias.asname or alias.name).split('.')[0]
        for node in ast.walk(tree)
        if isinstance(node, (ast.Import, ast.ImportFrom))
        for alias in node.names
        if not (
            getattr(node, 'level', 0) or (getattr(node, 'module', '') or '').startswith('mmwsss')
        )
    }
    for node in ast.walk(tree):
        targets = (
            getattr(node, 'targets', [getattr(node, 'target', None)])
            if isinstance(node, ASSIGNMENTS)
            else []
        )
        for target in targets:
            patched = (
                isinstance(target, ast.Attribute)
                and isinstance(target.value, ast.Name)
                and target.value.id in foreign
            )
            assert not patched, (
                f'{name}:{node.lineno} changes {ast.unparse(target)}; that belongs in '
                f'utils/compat.py'
            )


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


@pytest.mark.parametrize('name', [name for name in MODULES if layer(name) in ONE_CLASS_A_FILE])
def test_one_public_class_a_file(name):
    """Public is what the package exports or a registry holds."""
    classes = [
        node.name
        for node in tree_of(MODULES[name]).body
        if isinstance(node, ast.ClassDef)
        and not is_helper_type(node)
        and (
            node.name in exported(name)
            or any('register_module' in ast.unparse(entry) for entry in node.decorator_list)
        )
    ]
    assert len(classes) < 2, f'{MODULES[name]}: {", ".join(classes)}'
