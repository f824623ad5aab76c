"""Functions that run right after an import, and packages that import their names on first use."""

import subprocess
import sys
import types

import pytest

from mmwsss.utils.import_hooks import lazy_attributes, when_imported


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package of two modules that is not imported yet."""
    root = tmp_path / 'hooked_package'
    root.mkdir()
    (root / '__init__.py').write_text('')
    (root / 'part.py').write_text('VALUE = 3\n')
    monkeypatch.syspath_prepend(tmp_path)
    yield 'hooked_package'
    for name in [name for name in sys.modules if name.startswith('hooked_package')]:
        del sys.modules[name]


def test_hook_runs_once_after_the_module(package):
    seen = []
    before = list(sys.meta_path)
    when_imported(f'{package}.part', lambda module: seen.append(module.VALUE))
    assert not seen
    from hooked_package import part

    assert seen == [3] and part.__spec__.loader is part.__loader__
    assert sys.meta_path == before
    when_imported(f'{package}.part', lambda module: seen.append(module.__name__))
    assert seen == [3, 'hooked_package.part']


def test_lazy_attributes(package):
    import hooked_package

    get, names = lazy_attributes(package, dict(VALUE='part'))
    assert isinstance(hooked_package, types.ModuleType)
    assert f'{package}.part' not in sys.modules and 'VALUE' in names()
    assert get('VALUE') == hooked_package.VALUE == 3
    with pytest.raises(AttributeError, match="has no attribute 'other'"):
        get('other')


def test_importing_the_package_is_light():
    """Neither PyTorch nor OpenMMLab is imported before somebody needs it."""
    code = (
        'import sys, mmwsss, mmwsss.apis\n'
        "heavy = {'torch', 'mmengine', 'mmcv', 'mmseg', 'mmpretrain', 'numpy', 'scipy'}\n"
        'print(sorted(heavy & {*sys.modules}), len(sys.modules))'
    )
    result = subprocess.run(
        [sys.executable, '-c', code], capture_output=True, text=True, check=True
    )
    found, count = result.stdout.rsplit(maxsplit=1)
    assert found == '[]' and int(count) < 300, result.stdout


def test_public_names_of_the_apis():
    from mmwsss import apis

    assert all(getattr(apis, name) is not None for name in apis.__all__)
    assert {*apis.__all__} <= {*dir(apis)}
