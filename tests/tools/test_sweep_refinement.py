"""Settings of a refiner compared in one pass: what the tool writes, reruns and bad input."""

import csv

import numpy as np
import pytest

from mmwsss.utils.io import read_id_list, read_json, read_mask, write_cam
from tests.tools.program import one_line, run_tool


@pytest.fixture(scope='module')
def cams(toy_root, tmp_path_factory):
    """Maps of the training images: blurred ground truth."""
    folder = tmp_path_factory.mktemp('sweep') / 'cams'
    rng = np.random.default_rng(0)
    for name in read_id_list(toy_root / 'ImageSets' / 'Segmentation' / 'train.txt'):
        gt = read_mask(toy_root / 'SegmentationClass' / f'{name}.png')
        keys = [int(key) for key in np.unique(gt) if 0 < key < 255]
        maps = [0.5 * (gt == key) + 0.5 * rng.random(gt.shape) for key in keys]
        write_cam(
            folder / f'{name}.npz',
            [key - 1 for key in keys],
            np.reshape(maps, (len(keys), *gt.shape)).astype(np.float16),
            gt.shape,
        )
    return folder


@pytest.fixture
def data(cams, toy_root):
    """Arguments that name the images and their masks."""
    split = toy_root / 'ImageSets' / 'Segmentation' / 'train.txt'
    masks = ('--gt', toy_root / 'SegmentationClass', '--classes', toy_root / 'classes.txt')
    return ('--cams', cams, '--images', toy_root / 'JPEGImages', '--list', split, *masks)


def sweep(data, out, *args, method='crf'):
    return run_tool(
        'sweep_refinement.py', '--method', method, *data, '--out', out, '--workers', 0, *args
    )


def test_the_best_setting_is_that_of_the_masks(data, tmp_path):
    """Its mIoU is what the masks of refine_cams.py get, and a rerun counts nothing again."""
    words = ('--values', 'background=0.3:0.7:0.1', 'preset=irn,psa')
    result = sweep(data, tmp_path / 'sweep', *words)
    assert result.code == 0 and 'best of 8 settings of crf' in result.out, result
    metrics = read_json(tmp_path / 'sweep' / 'metrics.json')
    with open(tmp_path / 'sweep' / 'table.csv', newline='') as file:
        rows = list(csv.reader(file))
    assert rows[0] == ['preset', 'background', 'mIoU'] and len(rows) == 9
    best = max(rows[1:], key=lambda row: float(row[2]))
    assert best[:2] == [metrics['best/preset'], str(metrics['best/background'])]
    masks = ('--out', tmp_path / 'masks', '--method', 'crf', '--workers', 0)
    run_tool('refine_cams.py', *data[:6], *masks, '--preset', best[0], '--background', best[1])
    judge = ('--masks', tmp_path / 'masks', '--json', tmp_path / 'm.json', '--workers', 1)
    run_tool('evaluate_masks.py', *data[4:], *judge)
    assert metrics['sweep/mIoU'] == pytest.approx(
        read_json(tmp_path / 'm.json')['mask/mIoU'], abs=0.01
    )
    counts = sorted((tmp_path / 'sweep' / 'counts').glob('*.npz'))
    times = [path.stat().st_mtime_ns for path in counts]
    counts[0].unlink()
    again = sweep(data, tmp_path / 'sweep', *words)
    assert again.code == 0 and read_json(tmp_path / 'sweep' / 'metrics.json') == metrics
    assert [path.stat().st_mtime_ns for path in counts[1:]] == times[1:]
    result = sweep(data, tmp_path / 'sweep', '--values', 'background=0.3,0.4')
    one_line(result, tmp_path / 'sweep', 'made with other settings (values)')


def test_some_of_the_images_and_a_note_at_the_edge(data, tmp_path):
    result = sweep(
        data, tmp_path / 'a', '--values', 'background=0.9:1:0.03', '--num', 3, method='threshold'
    )
    assert result.code == 0 and 'note: the best background is the first or last' in result.err
    assert len(list((tmp_path / 'a' / 'counts').glob('*.npz'))) == 3
    assert read_json(tmp_path / 'a' / 'metrics.json')['protocol']['images'] == 3


def test_bad_input(data, tmp_path):
    words = ('--values', 'background=0.3,0.4')
    hint = 'without any, use the published settings'
    missing = [tmp_path / 'no_masks' if str(word).endswith('Class') else word for word in data]
    one_line(sweep(missing, tmp_path / 'a', *words), 'no_masks: ground-truth mask folder', hint)
    (tmp_path / 'no_masks').mkdir()
    one_line(sweep(missing, tmp_path / 'a', *words), 'no_masks', 'ground-truth mask', hint)
    one_line(sweep(data, tmp_path / 'a', *words, method='psa'), 'needs --config and --checkpoint')
    one_line(sweep(data, tmp_path / 'a', '--values', 'beta=1'), "crf has no option 'beta'")
    assert not (tmp_path / 'a').exists()
