"""Packaging of mmwsss: ``pip install .`` also ships configs and tools inside the package
(``mmwsss/.mim``).
"""

import shutil
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

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
            'proposals',
            'foundation',
            'demo',
            'tests',
            'docs',
        )
    },
    cmdclass={'build_py': BuildWithConfigs},
    classifiers=[
        'License :: OSI Approved :: Apache Software License',
        'Programming Language :: Python :: 3',
        *(f'Programming Language :: Python :: 3.{minor}' for minor in range(10, 14)),
        'Topic :: Scientific/Engineering :: Artificial Intelligence',
    ],
)
