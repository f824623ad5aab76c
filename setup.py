"""Packaging of mmwsss: ``pip install .`` also ships configs and tools inside the package
(``mmwsss/.mim``).
"""

import gzip
import os
import shutil
import tarfile
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py
from setuptools.command.sdist import sdist

ROOT = Path(__file__).parent


def requirements(name):
    lines = (ROOT / 'requirements' / f'{name}.txt').read_text().splitlines()
    return [line for line in lines if line and not line.startswith('#')]


def version():
    scope = {}
    exec((ROOT / 'mmwsss' / 'version.py').read_text(), scope)
    return scope['__version__']


class BuildWithConfigs(build_py):
    """Copy configs, tools and the model index next to the modules, where MMEngine looks for
    ``mmwsss::<config>``.
    """

    def run(self):
        super().run()
        if self.editable_mode:
            return
        target = Path(self.build_lib) / 'mmwsss' / '.mim'
        shutil.rmtree(target, ignore_errors=True)  # of an earlier build
        for folder in ('configs', 'tools'):
            shutil.copytree(
                ROOT / folder, target / folder, ignore=shutil.ignore_patterns('__pycache__')
            )
        shutil.copy2(ROOT / 'model-index.yml', target / 'model-index.yml')


class ReproducibleSdist(sdist):
    """With ``SOURCE_DATE_EPOCH`` set the archive has the same bytes whenever and by whomever it is
    built; the wheel package does that for wheels.
    """

    def make_archive(self, base_name, format, root_dir=None, base_dir=None, **options):
        if 'SOURCE_DATE_EPOCH' not in os.environ or format != 'gztar':
            return super().make_archive(base_name, format, root_dir, base_dir, **options)
        date, path = int(os.environ['SOURCE_DATE_EPOCH']), f'{base_name}.tar.gz'
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        with (
            open(path, 'wb') as file,
            gzip.GzipFile('', 'wb', fileobj=file, mtime=date) as packed,
            tarfile.open(fileobj=packed, mode='w') as archive,
        ):
            for member in sorted(Path(root_dir or '.', base_dir).rglob('*')):
                if member.is_file():
                    info = archive.gettarinfo(member)
                    info.mtime, info.uid, info.gid, info.uname, info.gname = date, 0, 0, '', ''
                    with open(member, 'rb') as content:
                        archive.addfile(info, content)
        return path


setup(
    name='mmwsss',
    version=version(),
    description='Weakly supervised semantic segmentation with vision transformers, on '
    'MMSegmentation and MMEngine',
    long_description=(ROOT / 'README.md').read_text(encoding='utf-8'),
    long_description_content_type='text/markdown',
    license='Apache-2.0',
    packages=find_packages(include=['mmwsss', 'mmwsss.*']),
    package_data={'mmwsss': ['py.typed'], 'mmwsss.visualization': ['report/*']},
    entry_points=dict(console_scripts=['mmwsss = mmwsss.__main__:main']),
    python_requires='>=3.10',
    install_requires=requirements('runtime'),
    extras_require={
        name: requirements(name)
        for name in (
            'optional',
            'photos',
            'excel',
            'heic',
            'proposals',
            'foundation',
            'demo',
            'tests',
            'docs',
        )
    },
    cmdclass={'build_py': BuildWithConfigs, 'sdist': ReproducibleSdist},
    classifiers=[
        'License :: OSI Approved :: Apache Software License',
        'Programming Language :: Python :: 3',
        *(f'Programming Language :: Python :: 3.{minor}' for minor in range(10, 14)),
        'Topic :: Scientific/Engineering :: Artificial Intelligence',
    ],
)
