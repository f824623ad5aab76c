"""Settings of the documentation site; ``make docs`` builds it."""

import re
from pathlib import Path

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx

from mmwsss.version import __version__

ROOT = Path(__file__).resolve().parents[1]

project = 'mmwsss'
copyright = 'the authors of mmwsss'
release = version = __version__
extensions = [
    'myst_parser',
    'sphinx.ext.autodoc',
    'sphinx.ext.napoleon',
    'sphinx_copybutton',
]
exclude_patterns = ['_build']

myst_enable_extensions = ['colon_fence']
myst_heading_anchors = 3

html_theme = 'furo'
html_title = f'mmwsss {release}'
html_show_sphinx = False
html_static_path = ['_static']
html_js_files = [('versions.js', {'defer': 'defer'})]

napoleon_use_ivar = True
autodoc_typehints = 'signature'
autodoc_member_order = 'bysource'
autodoc_default_options = {'members': True, 'show-inheritance': True}
# a name such as `loss` belongs to many classes; a reference to it in a docstring stays plain text
suppress_warnings = ['ref.python']

# files outside this folder that have a page here
PAGES = {
    'README': 'index',
    'CHANGELOG': 'changelog',
    'CONTRIBUTING': 'contributing',
}
DEFINES = re.compile(r'^(?:class|def) ', re.MULTILINE)
METHOD_README = re.compile(r'configs/(\w+)/README')


def page_of(path: Path) -> str | None:
    """Page that shows a Markdown file of the repository."""
    path = path.resolve().with_suffix('')
    if path.is_relative_to(ROOT / 'docs'):
        return path.relative_to(ROOT / 'docs').as_posix()
    name = path.relative_to(ROOT).as_posix()
    if match := METHOD_README.fullmatch(name):
        return f'methods/{match[1]}'
    return PAGES.get(name)


def resolve_repository_links(app: Sphinx, doctree: nodes.document) -> None:
    """Point links to Markdown files outside this folder at the pages that include them.

    MyST leaves an absolute path of such a file, or, in an included file, the target as written.
    """
    for node in list(doctree.findall(addnodes.pending_xref)):
        path = ROOT / node.get('reftarget', '')
        outside = node.get('refdomain') == 'doc' and Path(node['reftarget']).is_absolute()
        as_written = node.get('reftype') == 'myst' and path.suffix == '.md' and path.is_file()
        if not outside and not as_written:
            continue
        page = page_of(path)
        if page is None:  # e.g. a note among the tests: named, not linked
            node.replace_self(node.children)
        else:
            node.attributes.update(refdomain='doc', reftarget=page)
            node.attributes.setdefault('reftargetid', None)


def modules_of(package: str) -> list[str]:
    """Modules of a package of mmwsss; its own name only where it defines something itself."""
    files = sorted((ROOT / 'mmwsss' / package).rglob('*.py'))
    names = ['.'.join(file.relative_to(ROOT).with_suffix('').parts) for file in files]
    return [
        name.removesuffix('.__init__')
        for name, file in zip(names, files)
        if file.name != '__init__.py' or DEFINES.search(file.read_text(encoding='utf-8'))
    ]


def add_modules(app: Sphinx, docname: str, source: list[str]) -> None:
    """Append every module of a package to its page of the API reference."""
    folder, _, package = docname.partition('/')
    if folder != 'api' or package == 'index':
        return
    modules = modules_of(package) + (['mmwsss.registry'] if package == 'utils' else [])
    for module in modules:
        title = module.removeprefix(f'mmwsss.{package}.')
        source[0] += f'\n{title}\n{"-" * len(title)}\n\n.. automodule:: {module}\n'


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect('source-read', add_modules)
    app.connect('doctree-read', resolve_repository_links)
    return dict(parallel_read_safe=True, parallel_write_safe=True)
