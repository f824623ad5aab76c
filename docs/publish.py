"""Put a built documentation beside those of other versions, for any server of plain files.

    make docs && python docs/publish.py SITE

SITE gets the folder of this version, versions.json, which lists every version that lies there, the
newest first, and an index.html that leads to the newest. Pages of all versions read the list.
"""

import argparse
import json
import re
import shutil
import sys
from pathlib import Path

from mmwsss.utils.cli import run_main
from mmwsss.version import __version__

BUILT = Path(__file__).parent / '_build' / 'html'
NUMBER = re.compile(r'\d+(\.\d+)*')
REDIRECT = """<!doctype html>
<meta charset="utf-8">
<title>mmwsss</title>
<meta http-equiv="refresh" content="0; url={version}/">
<a href="{version}/">mmwsss {version}</a>
"""


def publish(built: Path, site: Path, version: str) -> list[str]:
    """Copy a built documentation and list the versions.

    Args:
        built: Folder that Sphinx has written.
        site: Folder of all versions.
        version: Of the documentation; a folder of that name is replaced.

    Returns:
        The versions, the newest first.

    Raises:
        FileNotFoundError: Nothing is built there.
    """
    if not (built / 'index.html').is_file():
        raise FileNotFoundError(f'{built}: no index.html; run `make docs` first')
    target = site / version
    fresh = site / f'.{version}.new'
    shutil.rmtree(fresh, ignore_errors=True)
    shutil.copytree(built, fresh, ignore=shutil.ignore_patterns('.doctrees', '.buildinfo*'))
    shutil.rmtree(target, ignore_errors=True)
    fresh.rename(target)
    versions = published(site)
    (site / 'versions.json').write_text(json.dumps(versions) + '\n', encoding='utf-8')
    page = REDIRECT.format(version=versions[0])
    (site / 'index.html').write_text(page, encoding='utf-8')
    return versions


def published(site: Path) -> list[str]:
    """Versions whose folders lie in a site, the newest first."""
    names = [
        folder.name
        for folder in site.iterdir()
        if NUMBER.fullmatch(folder.name) and (folder / 'index.html').is_file()
    ]
    return sorted(names, key=lambda name: [int(part) for part in name.split('.')], reverse=True)


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('site', type=Path, metavar='SITE', help='folder of all versions')
    parser.add_argument(
        '--built', type=Path, default=BUILT, metavar='D', help='default: %(default)s'
    )
    args = parser.parse_args(argv)
    versions = publish(args.built, args.site, __version__)
    print(f'{args.site / __version__}; versions: {", ".join(versions)}')


if __name__ == '__main__':
    sys.exit(run_main(main))
