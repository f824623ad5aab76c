"""The documented rooms are the ones that exist."""

import re

from tests.test_import_graph import LAYERS, PACKAGE, ROOT


def test_packages_are_documented():
    packages = {path.parent.name for path in PACKAGE.glob('*/__init__.py')}
    assert packages == set(LAYERS) - {'registry', 'version', '__main__'}
    table = (ROOT / 'docs' / 'design.md').read_text(encoding='utf-8')
    described = set(re.findall(r'^\| `(\w+)/` ', table, re.MULTILINE))
    assert described == packages | {'tools', 'benchmarks'}
    drawn = (ROOT / 'resources' / 'imports.svg').read_text(encoding='utf-8')
    assert set(re.findall(r'class="n">(\w+)<', drawn)) == packages | {'registry', 'tools'}
