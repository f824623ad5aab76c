"""The documentation site is complete, builds without a warning, and its links lead somewhere."""

import importlib.util
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

ROOT = Path(__file__).parents[1]
DOCS = ROOT / 'docs'
NEEDED = ('sphinx', 'myst_parser', 'furo', 'sphinx_copybutton')


class Page(HTMLParser):
    """Anchors and targets of links and pictures of one page."""

    def __init__(self, path):
        super().__init__()
        self.anchors, self.targets = set(), []
        self.feed(path.read_text(encoding='utf-8'))

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        if attrs.get('id'):
            self.anchors.add(attrs['id'])
        for name in ('href', 'src'):
            if attrs.get(name):
                self.targets.append(attrs[name])


def broken_links(folder):
    """Links of the pages below a folder whose file or anchor is not there."""
    pages = {path.resolve(): Page(path) for path in folder.rglob('*.html')}
    broken = []
    for path, page in pages.items():
        for target in page.targets:
            parts = urlsplit(target)
            if parts.scheme or parts.netloc:
                continue
            file = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            known = file in pages and (
                not parts.fragment or unquote(parts.fragment) in pages[file].anchors
            )
            if not (known or (file.is_file() and file not in pages)):
                broken.append(f'{path.relative_to(folder.resolve())}: {target}')
    return broken


def test_broken_links_are_found(tmp_path):
    (tmp_path / 'a.html').write_text(
        '<p id="here"><a href="b.html#there">1</a><a href="#here">2</a><img src="no.png">'
        '<a href="https://example.org/x">3</a><a href="b.html">4</a></p>'
    )
    (tmp_path / 'b.html').write_text('<p id="else"></p>')
    assert broken_links(tmp_path) == ['a.html: b.html#there', 'a.html: no.png']


def test_every_method_has_a_page():
    pages = {path: path.read_text(encoding='utf-8') for path in (DOCS / 'methods').glob('*.md')}
    for readme in (ROOT / 'configs').glob('*/README.md'):
        name = f'../../configs/{readme.parent.name}/README.md'
        assert [page.stem for page, text in pages.items() if f'{{include}} {name}\n' in text] == [
            readme.parent.name
        ]
    for page, text in pages.items():
        for file in re.findall(r'`((?:mmwsss|tools|configs)/[\w./-]+\.py)`', text):
            assert (ROOT / file).is_file(), f'{page.name}: {file} does not exist'


@pytest.mark.slow
def test_site_builds_without_warnings(tmp_path):
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        pytest.skip(f'{", ".join(missing)}: pip install -r requirements/docs.txt')
    site = tmp_path / 'html'
    command = ['-m', 'sphinx', '-W', '--keep-going', '-q', '-b', 'html', '-d', tmp_path / 'trees']
    result = subprocess.run(
        [sys.executable, *command, DOCS, site], cwd=ROOT, capture_output=True, text=True
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert (site / 'searchindex.js').is_file()
    assert not broken_links(site)
    method = (site / 'methods' / 'mcc.html').read_text(encoding='utf-8')
    assert 'Paper versus released code' in method and '68.8' in method, 'the README is not included'
    api = ''.join(page.read_text(encoding='utf-8') for page in (site / 'api').glob('*.html'))
    assert 'id="mmwsss.apis.inferencer.infer_masks"' in api
    files = [path.relative_to(ROOT).with_suffix('') for path in (ROOT / 'mmwsss').glob('*/**/*.py')]
    absent = ['.'.join(file.parts) for file in files if file.name != '__init__']
    absent = [name for name in absent if f'id="module-{name}"' not in api and '.mim.' not in name]
    assert not absent, f'modules without reference: {", ".join(absent)}'
