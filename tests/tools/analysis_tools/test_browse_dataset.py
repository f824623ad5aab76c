"""Pictures of what a network is given."""

import numpy as np
import pytest
from PIL import Image

from mmwsss.visualization.overlay import CAPTION_HEIGHT, GAP
from tests.tools.program import CONFIGS, one_line, run_tool

TOOL = 'analysis_tools/browse_dataset.py'


def browse(out, config, root, *args, **options):
    return run_tool(
        TOOL,
        CONFIGS / config,
        '--out',
        out,
        '--cell',
        64,
        *args,
        options={'data_root': root, **options},
    )


def size(rows, columns):
    return columns * (64 + GAP) + GAP, rows * (64 + CAPTION_HEIGHT + GAP) + GAP


@pytest.mark.parametrize(
    ('config', 'phase', 'rows', 'columns'),
    [
        ('mctformer_plus_toy.py', 'train', 2, 1),
        ('mctformer_plus_toy.py', 'val', 2, 2),
        ('cosa_toy.py', 'train', 4, 1),  # weak and strong
        ('deeplabv3plus_r18_toy_pseudo.py', 'train', 2, 2),
    ],
)
def test_pictures(toy_root, tmp_path, config, phase, rows, columns):
    options = (
        {'train_dataloader.dataset.data_prefix.pseudo_mask_path': toy_root / 'SegmentationClass'}
        if 'pseudo' in config
        else {}
    )
    result = browse(tmp_path, config, toy_root, '--num', 3, '--phase', phase, **options)
    assert result.code == 0, result
    files = sorted(tmp_path.glob('*.png'))
    assert [file.stem[:-5] for file in files] == 3 * [
        'train_' if phase == 'train' else 'val_'
    ] and str(tmp_path) in result.out
    for file in files:
        width, height = Image.open(file).size
        assert (width, height <= size(rows, columns)[1]) == (size(rows, columns)[0], True)


def test_the_seed_decides(toy_root, tmp_path):
    pictures = []
    for folder, seed in (('a', 0), ('b', 0), ('c', 1)):
        assert (
            browse(
                tmp_path / folder,
                'mctformer_plus_toy.py',
                toy_root,
                '--num',
                1,
                '--draws',
                1,
                '--seed',
                seed,
            ).code
            == 0
        )
        pictures.append(np.asarray(Image.open(next((tmp_path / folder).iterdir()))))
    assert np.array_equal(pictures[0], pictures[1]) and not np.array_equal(pictures[0], pictures[2])


def test_colours_are_those_of_the_file(toy_root, tmp_path):
    """Files are RGB, arrays of OpenCV BGR."""
    result = browse(
        tmp_path, 'mctformer_plus_toy.py', toy_root, '--num', 1, '--draws', 1, '--phase', 'val'
    )
    assert result.code == 0, result
    drawn = next(tmp_path.glob('*.png'))
    file = np.asarray(Image.open(toy_root / 'JPEGImages' / f'{drawn.stem}.jpg'), np.float64)
    picture = np.asarray(Image.open(drawn), np.float64)[GAP + CAPTION_HEIGHT : -GAP, GAP : GAP + 64]
    picture = picture[(picture != 255).any((1, 2))][:, (picture != 255).any((0, 2))]
    assert np.abs(picture.mean((0, 1)) - file.mean((0, 1))).max() < 4


def test_what_cannot_be_drawn(toy_root, tmp_path):
    one_line(
        browse(tmp_path, 'mctformer_plus_toy.py', toy_root, '--phase', 'val', val_dataloader=None),
        'no val_dataloader',
    )
    one_line(browse(tmp_path, 'mctformer_plus_toy.py', tmp_path / 'none'), tmp_path / 'none')
    assert browse(tmp_path, 'mctformer_plus_toy.py', toy_root, '--num', 0).code == 2
