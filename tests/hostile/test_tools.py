"""Tools meet hostile lists, maps and photos: one line, exit code 1, nothing outside ``--out``."""

import importlib.util
import os
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mmwsss.utils.cli import run_main
from mmwsss.utils.io import write_cam, write_mask
from tests.hostile.corpus import NAMES

TOOLS = Path(__file__).parents[2] / 'tools'
SIZE = (12, 16)


def tool(name):
    """Module of a tool, which is imported under its own name."""
    spec = importlib.util.spec_from_file_location(Path(name).stem, TOOLS / name)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def data(tmp_path):
    """Photos, maps, masks and a list of two images, in a folder of their own."""
    root = tmp_path / 'data'
    for name in 'ab':
        rng = np.random.default_rng(ord(name))
        (root / 'images').mkdir(parents=True, exist_ok=True)
        image = Image.fromarray(rng.integers(0, 255, (*SIZE, 3)).astype(np.uint8))
        image.resize((32, 24)).save(root / 'photos.png')
        image.save(root / 'images' / f'{name}.png')
        write_cam(root / 'cams' / f'{name}.npz', [0], rng.random((1, *SIZE)).astype(np.float32))
        write_mask(root / 'gt' / f'{name}.png', np.ones(SIZE, np.uint8))
    (root / 'list.txt').write_text('a\nb\n')
    return root


def command(name, data):
    """Arguments of a tool that succeed on the good data."""
    common = ['--cams', data / 'cams', '--list', data / 'list.txt']
    if name == 'evaluate_masks.py':
        return [*common, '--gt', data / 'gt', '--num-classes', '3', '--workers', '1']
    out = ['--images', data / 'images', '--out', data.parent / 'out', '--workers', '0']
    methods = {'refine_cams.py': 'threshold', 'make_affinity_labels.py': 'psa'}
    return [*common, *out, '--method', methods[name]]


def run(name, arguments, monkeypatch, capsys):
    """Exit code and the lines of standard error."""
    monkeypatch.setattr(sys, 'argv', [name, *map(str, arguments)])
    code = run_main(tool(name).main)
    return code, capsys.readouterr().err.strip().splitlines()


def listing(root):
    return sorted(str(path.relative_to(root)) for path in root.rglob('*'))


ALL = ('evaluate_masks.py', 'refine_cams.py', 'make_affinity_labels.py')


def _pipe(path):
    path.unlink()
    os.mkfifo(path)


def _other_maps(value, dtype=np.float32):
    maps = np.full((1, *SIZE), value, dtype)
    return lambda path: np.savez(path, keys=np.int16([0]), cam=maps, size=np.int32(SIZE))


DAMAGE = {
    'NaN': ('cams/b.npz', _other_maps(np.nan)),
    'infinite': ('cams/b.npz', _other_maps(np.inf)),
    '0 to 255': ('cams/b.npz', _other_maps(255.0)),
    'complex': ('cams/b.npz', _other_maps(1.0, np.complex64)),
    'class 300': (
        'cams/b.npz',
        lambda path: write_cam(path, [300], np.zeros((1, *SIZE), np.float32)),
    ),
    'other size': (
        'cams/b.npz',
        lambda path: write_cam(path, [0], np.zeros((1, *SIZE[::-1]), np.float32)),
    ),
    'cut': ('cams/b.npz', lambda path: path.write_bytes(path.read_bytes()[:-40])),
    'pipe': ('cams/b.npz', _pipe),
    'empty list': ('list.txt', lambda path: path.write_text('')),
    'list in UTF-16': ('list.txt', lambda path: path.write_bytes('a\nb\n'.encode('utf-16'))),
    'list that is a pipe': ('list.txt', _pipe),
    'id twice': ('list.txt', lambda path: path.write_text('a\na\n')),
    'id without files': ('list.txt', lambda path: path.write_text('a\nc\n')),
    **{
        f'id {hostile}': (
            'list.txt',
            lambda path, hostile=hostile: path.write_text(f'a\n{hostile}\n'),
        )
        for hostile in NAMES
    },
}


@pytest.mark.parametrize('name', ALL)
def test_good_data_pass(name, data, monkeypatch, capsys):
    code, _ = run(name, command(name, data), monkeypatch, capsys)
    assert code == 0


@pytest.mark.parametrize('name', ALL)
@pytest.mark.parametrize('kind', DAMAGE)
def test_one_line_names_the_file_and_nothing_lies_elsewhere(name, kind, data, monkeypatch, capsys):
    victim, damage = DAMAGE[kind]
    damage(data / victim)
    before = listing(data)
    code, lines = run(name, command(name, data), monkeypatch, capsys)
    assert code == 1
    errors = [line for line in lines if line.startswith('error: ')]
    assert len(errors) == 1 and not any('Traceback' in line for line in lines)
    assert Path(victim).name in errors[0] or kind == 'id without files', errors
    assert listing(data) == before
    assert {path.name for path in data.parent.iterdir()} <= {'data', 'out'}


@pytest.mark.parametrize('name', ALL[1:])
def test_a_folder_of_the_output_that_is_a_link_is_refused(name, data, monkeypatch, capsys):
    for folder, suffix in (('images', 'png'), ('cams', 'npz')):
        (data / folder / 'trip').mkdir()
        (data / folder / f'a.{suffix}').rename(data / folder / 'trip' / f'a.{suffix}')
    (data / 'list.txt').write_text('trip/a\n')
    (data.parent / 'out').mkdir()
    (data.parent / 'elsewhere').mkdir()
    (data.parent / 'out' / 'trip').symlink_to(data.parent / 'elsewhere')
    code, lines = run(name, command(name, data), monkeypatch, capsys)
    assert code == 1 and not list((data.parent / 'elsewhere').iterdir())
    assert any('symbolic link' in line or 'holds' in line for line in lines), lines


PHOTOS = {
    'line end in its name': lambda root: Image.new('RGB', (32, 32)).save(root / 'dog' / 'x\ny.png'),
    'pipe': lambda root: os.mkfifo(root / 'dog' / 'pipe.png'),
    'slide': lambda root: Image.new('1', (13400, 13400)).save(root / 'dog' / 'slide.png'),
    'cut': lambda root: (root / 'dog' / 'cut.jpg').write_bytes(b'\xff\xd8\xff\xe0'),
    'link to nowhere': lambda root: (root / 'dog' / 'gone.png').symlink_to('nowhere'),
    'tiny': lambda root: Image.new('RGB', (8, 32)).save(root / 'dog' / 'tiny.png'),
}


@pytest.mark.parametrize('kind', PHOTOS)
def test_the_converter_reports_hostile_photos_and_writes_nothing(
    kind, tmp_path, monkeypatch, capsys
):
    root, name = tmp_path / 'tags', 'dataset_converters/image_tags.py'
    for tag in ('dog', 'cat'):
        (root / tag).mkdir(parents=True)
        Image.new('RGB', (32, 32), tag == 'dog' and 'red' or 'blue').save(root / tag / f'{tag}.png')
    arguments = [root, '--out', tmp_path / 'out', '--workers', '0']
    PHOTOS[kind](root)
    code, lines = run(name, arguments, monkeypatch, capsys)
    assert code == 1 and any(line.startswith('problem: ') for line in lines), lines
    assert not (tmp_path / 'out').exists()
