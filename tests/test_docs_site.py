"""The documentation site is complete, builds without a warning, and its links lead somewhere."""

import http.server
import importlib.util
import json
import re
import shutil
import subprocess
import sys
import threading
from functools import partial
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from tests.visualization.test_report_browser import BROWSER, DRIVER, wait_for

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


# the versions -------------------------------------------------------------------------------------


@pytest.fixture(scope='module')
def publisher():
    spec = importlib.util.spec_from_file_location('publish', DOCS / 'publish.py')
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def site(publisher, tmp_path):
    """A site of three versions; the oldest lacks a page."""
    for version in ('0.9.0', '0.10.0', '0.2.0'):
        built = tmp_path / 'built'
        (built / '_static').mkdir(parents=True, exist_ok=True)
        shutil.copy(DOCS / '_static' / 'versions.js', built / '_static')
        for name, root in (('index', './'), ('guide/page', '../')):
            (built / name).parent.mkdir(exist_ok=True)
            (built / f'{name}.html').write_text(
                f'<!doctype html><html data-content_root="{root}"><a class="sidebar-brand">x</a>'
                f'<h1>{name} {version}</h1><script defer src="{root}_static/versions.js"></script>'
            )
        if version == '0.2.0':
            (built / 'guide' / 'page.html').unlink()
        publisher.publish(built, tmp_path / 'site', version)
    return tmp_path / 'site'


def test_versions_are_listed(publisher, site, tmp_path):
    assert json.loads((site / 'versions.json').read_text()) == ['0.10.0', '0.9.0', '0.2.0']
    assert 'url=0.10.0/"' in (site / 'index.html').read_text()
    assert not (site / '0.2.0' / 'guide' / 'page.html').exists()
    (site / 'notes').mkdir()
    assert publisher.publish(tmp_path / 'built', site, '0.9.0')[0] == '0.10.0'
    assert not (site / '0.9.0' / 'guide' / 'page.html').exists(), 'not replaced'
    with pytest.raises(FileNotFoundError, match='run `make docs` first'):
        publisher.publish(tmp_path / 'none', site, '1.0')
    conf = (DOCS / 'conf.py').read_text()
    assert "('versions.js'" in conf and "html_static_path = ['_static']" in conf


@pytest.mark.slow
@pytest.mark.skipif(not (BROWSER and DRIVER), reason='needs chromium and chromedriver')
def test_versions_in_a_browser(site):
    webdriver = pytest.importorskip('selenium.webdriver')
    handler = partial(http.server.SimpleHTTPRequestHandler, directory=site)
    handler.log_message = lambda *args: None
    server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    options = webdriver.ChromeOptions()
    options.binary_location = BROWSER
    for option in ('--headless=new', '--no-sandbox', '--disable-gpu'):
        options.add_argument(option)
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    title = "return document.querySelector('h1').textContent"
    choose = (
        "const e = document.getElementById('version-choice'); e.value = arguments[0];"
        "e.dispatchEvent(new Event('change'))"
    )
    shown = "return [...document.querySelectorAll('#version-choice option')].map((e) => e.text)"
    try:
        driver.get(f'http://127.0.0.1:{server.server_port}/0.10.0/guide/page.html')
        wait_for(lambda: driver.execute_script(shown))
        assert driver.execute_script(shown) == ['0.10.0 (newest)', '0.9.0', '0.2.0']
        driver.execute_script(choose, '0.9.0')
        wait_for(lambda: driver.execute_script(title) == 'guide/page 0.9.0')
        wait_for(lambda: driver.execute_script(shown))
        driver.execute_script(choose, '0.2.0')  # which lacks the page
        wait_for(lambda: driver.execute_script(title) == 'index 0.2.0')
    finally:
        driver.quit()
        server.shutdown()
        server.server_close()
