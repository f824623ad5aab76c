"""What `pip install` puts on a machine, and the model index that OpenMMLab's tools read."""

import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import torch
import yaml
from mmengine.config import Config

import mmwsss
from mmwsss.apis import load_config
from mmwsss.registry import MODELS
from tests.models.algorithms.test_clip_es import with_texts

ROOT = Path(__file__).parents[1]
FOLDERS = 'mmwsss', 'configs', 'tools', 'requirements'
FILES = 'setup.py', 'pyproject.toml', 'MANIFEST.in', 'README.md', 'LICENSE', 'model-index.yml'
COLLECTIONS = [
    ROOT / name for name in yaml.safe_load((ROOT / 'model-index.yml').read_text())['Import']
]


def names(folder, *patterns):
    """Files below a folder of the checkout, relative to the checkout."""
    return {
        path.relative_to(ROOT).as_posix()
        for pattern in patterns
        for path in (ROOT / folder).rglob(pattern)
        if '__pycache__' not in path.parts
    }


@pytest.fixture(scope='module')
def source(tmp_path_factory):
    """A copy of the checkout, in which builds may leave files."""
    source = tmp_path_factory.mktemp('packaging') / 'source'
    source.mkdir()
    for name in FOLDERS:
        shutil.copytree(
            ROOT / name, source / name, ignore=shutil.ignore_patterns('__pycache__', '.mim')
        )
    for name in FILES:
        shutil.copy2(ROOT / name, source / name)
    return source


@pytest.fixture(scope='module')
def wheel(source):
    """A wheel by way of a source distribution, so that both are complete."""
    run([sys.executable, 'setup.py', '-q', 'sdist'], source)
    (archive,) = (source / 'dist').glob('*.tar.gz')
    options = '--no-deps', '--no-build-isolation', '--no-index', '-q'
    run([sys.executable, '-m', 'pip', 'wheel', archive, *options, '-w', source / 'wheel'], source)
    return next((source / 'wheel').glob('*.whl'))


def run(command, folder):
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


def test_content_of_the_wheel(wheel, tmp_path):
    with zipfile.ZipFile(wheel) as archive:
        found = set(archive.namelist())
        archive.extractall(tmp_path)
    expected = names('mmwsss', '*.py', 'py.typed', 'page.*') | {
        f'mmwsss/.mim/{name}'
        for name in (
            *names('configs', '*.py', '*.yml', '*.md'),
            *names('tools', '*.py', '*.sh'),
            'model-index.yml',
        )
    }
    assert expected <= found, sorted(expected - found)
    assert {name.split('/')[0] for name in found} == {
        'mmwsss',
        f'mmwsss-{mmwsss.__version__}.dist-info',
    }
    assert not [name for name in found if name.endswith('.pyc')]
    metadata = (tmp_path / f'mmwsss-{mmwsss.__version__}.dist-info' / 'METADATA').read_text(
        encoding='utf-8'
    )
    required = re.findall(r'^Requires-Dist: ([\w-]+)\S*$', metadata, re.M)
    assert {
        'torch',
        'onedl-mmengine',
        'onedl-mmcv',
        'onedl-mmsegmentation',
        'onedl-mmpretrain',
        'numpy',
    } <= set(required)
    assert 'pytest' not in required and 'Provides-Extra: tests' in metadata
    assert 'Provides-Extra: demo' in metadata and wheel.stat().st_size < 3e6

    # the installed copy runs from any folder: it finds its own configs and tools
    script = (
        'from mmengine.config import Config\n'
        'import mmwsss\n'
        'from mmwsss.apis.pipeline import Pipeline\n'
        'from pathlib import Path\n'
        'home = Path(mmwsss.__file__).parent / ".mim"\n'
        'print(home)\n'
        'Path("mine.py").write_text("_base_ = '
        "['mmwsss::_base_/models/mctformer_plus_deit-s.py']\")\n"
        'print(Config.fromfile("mine.py").model.type)\n'
        'Path("flat.py").write_text("_base_ = '
        "['mmwsss::mctformer_plus_voc.py']\")\n"
        'print(Config.fromfile("flat.py").model.num_classes)\n'
        'pipeline = Pipeline(home / "configs" / "pipelines" / "mctformer_plus_toy.py")\n'
        'assert pipeline.tools == home / "tools", pipeline.tools\n'
    )
    result = subprocess.run(
        [sys.executable, '-c', script],
        cwd=tmp_path,
        env={'PYTHONPATH': str(tmp_path), 'OMP_NUM_THREADS': '1'},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines() == [
        str(tmp_path / 'mmwsss' / '.mim'),
        'mmwsss.MCTformerPlus',
        '20',
    ]
    # the console command finds the tools of the wheel
    entry_points = (
        tmp_path / f'mmwsss-{mmwsss.__version__}.dist-info' / 'entry_points.txt'
    ).read_text(encoding='utf-8')
    assert 'mmwsss = mmwsss.__main__:main' in entry_points
    result = subprocess.run(
        [sys.executable, '-m', 'mmwsss', 'export', '--help'],
        cwd=tmp_path,
        env={'PYTHONPATH': str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0 and 'usage: mmwsss export' in result.stdout, result


def test_builds_are_reproducible(source, tmp_path, monkeypatch):
    """Two builds at different times, of files of different ages, are the same."""
    monkeypatch.setenv('SOURCE_DATE_EPOCH', '1700000000')
    archives = []
    for build in ('one', 'two'):
        copy = tmp_path / build
        shutil.copytree(
            source, copy, ignore=shutil.ignore_patterns('dist', 'wheel', 'build', '*.egg-info')
        )
        (copy / 'setup.py').touch()
        run([sys.executable, 'setup.py', '-q', 'sdist', 'bdist_wheel'], copy)
        archives.append({path.name: path.read_bytes() for path in (copy / 'dist').iterdir()})
    assert archives[0] == archives[1] and len(archives[0]) == 2


@pytest.mark.parametrize('path', COLLECTIONS, ids=lambda path: path.parent.name)
def test_model_index(path, tmp_path):
    """Configs and documents exist, sizes are right, results say whose they are."""
    index = yaml.safe_load(path.read_text())
    collections = {collection['Name']: collection for collection in index['Collections']}
    for collection in collections.values():
        assert (ROOT / collection['README']).is_file() and (
            ROOT / collection['Code']['URL']
        ).is_file()
        assert (
            collection['Paper']['URL'].startswith('https://arxiv.org/abs/')
            and collection['Code']['Version'] == f'v{mmwsss.__version__}'
        )
    for entry in index['Models']:
        assert entry['In Collection'] in collections and 'Weights' not in entry
        config = load_config(ROOT / entry['Config'])
        assert entry['Name'] == Path(entry['Config']).stem
        if 'embeddings' in config.model.get('test_cfg', {}).get('cam', {}):
            config = with_texts(config, tmp_path, width=768)
        with torch.device('meta'):
            model = MODELS.build(config.model)
        meta = entry['Metadata']
        assert meta['Parameters'] == sum(weight.numel() for weight in model.parameters())
        loader = config.train_dataloader or {}  # CLIP-ES is not trained
        schedule = config.get('train_cfg') or {}
        assert meta.get('Batch Size') == loader.get('batch_size')
        assert (meta.get('Epochs'), meta.get('Iterations')) == (
            schedule.get('max_epochs'),
            schedule.get('max_iters'),
        )
        assert all(
            'published by the authors' in name
            for result in entry['Results']
            for name in result['Metrics']
        )


def test_every_published_config_is_in_the_index():
    listed = {
        entry['Config']
        for path in COLLECTIONS
        for entry in yaml.safe_load(path.read_text())['Models']
    }
    published = {
        f'configs/{path.name}'
        for path in (ROOT / 'configs').glob('mctformer*.py')
        if path.stem.endswith(('_voc', '_coco'))
    }
    assert published <= listed, published - listed
    assert (
        Config.fromfile(ROOT / 'configs' / 'mctformer_plus_voc.py').model.type
        == 'mmwsss.MCTformerPlus'
    )
