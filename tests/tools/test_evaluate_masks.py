import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from mmwsss.functional.confusion import class_areas, confusion_matrix, iou_variants, resolve_ignored
from mmwsss.functional.thresholds import OFFICIAL_THRESHOLDS, labels_at_threshold
from mmwsss.utils.cli import run_main
from mmwsss.utils.io import read_cam, read_mask, write_cam, write_mask

TOOL = Path(__file__).parents[2] / 'tools' / 'evaluate_masks.py'
NUM_IMAGES, NUM_CLASSES = 37, 5


@pytest.fixture(scope='module')
def tool():
    spec = importlib.util.spec_from_file_location('evaluate_masks', TOOL)
    # processes look it up by name
    module = sys.modules['evaluate_masks'] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    del sys.modules['evaluate_masks']


@pytest.fixture
def folder(tmp_path):
    """Ground truth, masks (with 255 in some) and CAMs of images of several sizes; image 0 has no
    tag.
    """
    rng = np.random.default_rng(0)
    ids = [f'image{index}' for index in range(NUM_IMAGES)]
    for index, name in enumerate(ids):
        size = tuple(int(side) for side in rng.integers(6, 20, 2))
        keys = [] if index == 0 else rng.permutation(NUM_CLASSES - 1)[: 1 + index % 3].tolist()
        gt = rng.choice([0, 255, *(key + 1 for key in keys)], size)
        mask = np.where(rng.random(size) < 0.5, gt, rng.integers(0, NUM_CLASSES, size))
        mask[0, 0], mask[0, 1] = 255, 0
        write_mask(tmp_path / 'gt' / f'{name}.png', gt)
        write_mask(tmp_path / 'masks' / f'{name}.png', mask)
        cams = (
            np.stack([0.3 * (gt == key + 1) + 0.5 * rng.random(size) for key in keys])
            if keys
            else np.zeros((0, *size))
        )
        write_cam(tmp_path / 'cams' / f'{name}.npz', keys, cams.astype(np.float16), size)
    (tmp_path / 'val.txt').write_text('\n'.join(ids) + '\n')
    return tmp_path


@pytest.fixture
def run(tool, folder, capsys):
    """Run the tool in this process: exit code, standard output, standard error and the JSON
    file.
    """

    def call(*arguments, classes=('--num-classes', str(NUM_CLASSES)), gt='gt', workers=1):
        out = folder / 'out' / 'metrics.json'
        words = [
            '--gt',
            folder / gt,
            '--list',
            folder / 'val.txt',
            '--json',
            out,
            '--workers',
            workers,
            *classes,
            *arguments,
        ]
        code = run_main(lambda: tool.main([str(word) for word in words]))
        return code, *capsys.readouterr(), json.loads(out.read_text()) if out.exists() else None

    return call


def expected(folder, predict, ignored='background', num_classes=NUM_CLASSES):
    """The three means over all images, from ``predict(name)``."""
    total = 0
    for name in (folder / 'val.txt').read_text().split():
        gt = torch.from_numpy(read_mask(folder / 'gt' / f'{name}.png'))
        total = total + confusion_matrix(predict(name), gt, num_classes)
    return {
        name: 100 * float(value)
        for name, value in iou_variants(class_areas(resolve_ignored(total, ignored))).items()
    }


def mask_of(folder):
    return lambda name: torch.from_numpy(read_mask(folder / 'masks' / f'{name}.png'))


def labels_of(folder, threshold):
    def predict(name):
        file = read_cam(folder / 'cams' / f'{name}.npz')
        return labels_at_threshold(torch.from_numpy(file.cam), file.keys.tolist(), threshold)

    return predict


@pytest.mark.parametrize('workers', [1, 2])
@pytest.mark.parametrize('ignored', ['background', 'drop'])
def test_masks(run, folder, workers, ignored):
    code, out, _, data = run(
        '--masks', folder / 'masks', '--map-ignore-to', ignored, workers=workers
    )
    assert code == 0
    assert data['mask/mIoU'] == pytest.approx(expected(folder, mask_of(folder), ignored)['present'])
    assert data['mask/coverage'] < 100
    assert data['protocol'] == {
        'name': 'custom',
        'split': 'val',
        'num_classes': NUM_CLASSES,
        'absent_classes': [],
        'mean': 'present',
        'rates': 'mctformer',
        'use_image_tags': False,
        'ignored_prediction': ignored,
    }
    assert (
        '| background |' in out
        and '| class 4 ' in out
        and f'mask/mIoU: {data["mask/mIoU"]:.2f}' in out
    )


def test_ground_truth_against_itself(run, folder):
    code, _, error, data = run('--masks', folder / 'gt', classes=())
    assert (
        code == 0 and data['mask/mIoU'] == 100 and data['mask/mIoU_all'] == pytest.approx(500 / 21)
    )
    assert 'note: 16 of the 21 PASCAL VOC classes never occur' in error
    assert data['mask/IoU']['aeroplane'] == 100


@pytest.mark.parametrize('workers', [1, 2])
def test_cams(run, folder, workers):
    code, out, error, data = run('--cams', folder / 'cams', workers=workers)
    curve = data['curve']['mIoU']
    assert code == 0 and 'note' not in error
    assert data['curve']['thresholds'] == list(OFFICIAL_THRESHOLDS) and len(curve) == 60
    for index in (0, 13, 30, 59):
        assert curve[index] == pytest.approx(
            expected(folder, labels_of(folder, OFFICIAL_THRESHOLDS[index]))['all']
        )
    assert data['cam/mIoU'] == pytest.approx(max(curve))
    assert data['cam/best_threshold'] == OFFICIAL_THRESHOLDS[curve.index(max(curve))]
    assert data['protocol']['rule'] == 'best' and data['protocol']['tags'] == 'those of the CAMs'
    assert f'threshold {data["cam/best_threshold"]:g}' in out


def test_cam_options(run, folder):
    data = run(
        '--cams',
        folder / 'cams',
        '--rule',
        '0.45',
        '--thresholds',
        '0:0.3:0.1',
        '0.5',
        '--mean',
        'union',
        '--rates',
        'irn',
    )[-1]
    assert data['curve']['thresholds'] == [0.0, 0.1, 0.2, 0.45, 0.5]
    assert data['cam/best_threshold'] == data['protocol']['rule'] == 0.45
    assert data['cam/mIoU'] == pytest.approx(expected(folder, labels_of(folder, 0.45))['union'])
    assert 'cam/FP_background' in data
    data = run('--cams', folder / 'cams', '--rule', 'greedy', '--thresholds', '0:1:0.001')[-1]
    assert data['protocol']['rule'] == 'greedy' and data['protocol']['num_thresholds'] == 1000


def test_protocols(run, tool, folder, capsys):
    _, out, _, data = run('--cams', folder / 'cams', '--protocol', 'acr-voc-train-cam')
    assert (
        data['protocol']['num_thresholds'] == 100
        and data['protocol']['rule'] == 'best'
        and data['protocol']['mean'] == 'all'
    )
    assert (
        data['protocol']['name'].startswith('acr-voc-train-cam (its rules; data: val (')
        and 'protocol: acr-voc-train-cam (' in out
    )
    _, _, _, data = run('--masks', folder / 'masks', '--protocol', 'toco-voc-train-mask')
    assert data['protocol']['ignored_prediction'] == 'drop' and data['mask/mIoU'] == pytest.approx(
        expected(folder, mask_of(folder), 'drop')['present']
    )
    for words, message in (
        (('--masks', folder / 'masks', '--protocol', 'acr-voc-train-cam'), 'is one of maps'),
        (('--cams', folder / 'cams', '--protocol', 'mcc-voc-val'), 'is one of segmentation'),
        (('--cams', folder / 'cams', '--protocol', 'mcc'), "'mcc' is unknown"),
    ):
        code, _, error, _ = run(*words)
        assert code == 1 and message in error
    with pytest.raises(SystemExit):
        run('--cams', folder / 'cams', '--protocol', 'acr-voc-train-cam', '--rule', 'best')


def test_class_file(run, folder):
    names = folder / 'classes.txt'
    names.write_text('\ufeffbird\r\nboat\r\n\r\nbus\r\ncar\r\n')
    data = run('--masks', folder / 'masks', classes=('--classes', names))[-1]
    assert list(data['mask/IoU']) == ['background', 'bird', 'boat', 'bus', 'car']
    names.write_text('background\nbird\nbird\n')
    code, _, error, _ = run('--masks', folder / 'masks', classes=('--classes', names))
    assert code == 1 and 'classes.txt: expected different class names' in error


def damage_missing(folder):
    for index in range(30):
        (folder / 'masks' / f'image{index}.png').unlink()


def damage_size(folder):
    write_mask(folder / 'masks' / 'image3.png', np.zeros((50, 40)))


def damage_class(folder):
    write_mask(
        folder / 'masks' / 'image3.png', np.full(read_mask(folder / 'gt' / 'image3.png').shape, 9)
    )


def damage_gt_class(folder):
    write_mask(
        folder / 'gt' / 'image3.png', np.full(read_mask(folder / 'gt' / 'image3.png').shape, 9)
    )


def damage_png(folder):
    (folder / 'masks' / 'image3.png').write_bytes(b'no image')


def damage_list(folder):
    (folder / 'val.txt').unlink()


def damage_folder(folder):
    (folder / 'gt').rename(folder / 'elsewhere')


@pytest.mark.parametrize(
    'damage,workers,message',
    [
        (damage_missing, 1, 'error: 30 of 74 files are missing: '),
        (damage_size, 1, 'image3.png: mask is 40x50'),
        (damage_size, 2, 'image3.png: mask is 40x50'),
        (damage_class, 1, 'image3.png: class ids [9] are outside 0..4'),
        (damage_gt_class, 1, 'image3.png: class ids [9] are outside 0..4'),
        (damage_png, 2, 'image3.png: unreadable mask'),
        (damage_list, 1, 'val.txt: image list not found'),
        (damage_folder, 1, 'gt: no such folder'),
    ],
)
def test_bad_mask_input_is_one_line(run, folder, damage, workers, message):
    damage(folder)
    code, _, error, data = run('--masks', folder / 'masks', workers=workers)
    assert code == 1 and data is None
    assert message in error and error.count('\n') == 1 and error.startswith('error: ')
    if damage is damage_missing:
        assert error.count('.png') == 20 and error.endswith('and 10 more\n')


def write_outside(path, value):
    """A CAM file of another program, with a value that ours do not write."""
    size = read_cam(path).size
    maps = np.full((1, *size), value, np.float32)
    np.savez(path, keys=np.int16([0]), cam=maps, size=np.int32(size))


@pytest.mark.parametrize(
    'damage,message',
    [
        (lambda path: path.write_bytes(path.read_bytes()[:200]), 'damaged CAM file'),
        (lambda path: path.write_bytes(b'PK'), 'damaged CAM file'),
        (lambda path: path.unlink(), '1 of 74 files are missing'),
        (
            lambda path: write_cam(path, [0], np.zeros((1, 40, 30))),
            'CAMs are 30x40 (width x height), the mask is',
        ),
        (
            lambda path: write_cam(path, [7], np.zeros((1, *read_cam(path).size))),
            'CAM keys [7] are not all foreground classes 0..3',
        ),
        (
            lambda path: write_outside(path, -1.0),
            'values are not, e.g. -1; scale them to 0..1',
        ),
        (
            lambda path: write_outside(path, np.nan),
            'values are not, e.g. nan; make them again',
        ),
    ],
)
def test_bad_cam_input_is_one_line(run, folder, damage, message):
    damage(folder / 'cams' / 'image5.npz')
    code, _, error, data = run('--cams', folder / 'cams')
    assert code == 1 and data is None
    assert message in error and 'image5.npz' in error and error.count('\n') == 1


@pytest.mark.parametrize(
    'arguments,message',
    [
        (('--thresholds', '0.1', 'x'), "--thresholds: 'x' is neither"),
        (('--thresholds', '0:1:0'), 'STEP > 0'),
        (('--thresholds', '0.5', '0.1'), 'ascend'),
        (('--rule', 'worst'), "--rule: 'worst' is neither"),
    ],
)
def test_bad_options_are_one_line(run, folder, arguments, message):
    code, _, error, _ = run('--cams', folder / 'cams', *arguments)
    assert code == 1 and message in error and error.count('\n') == 1
    assert run('--cams', folder / 'cams', classes=('--num-classes', '1'))[0] == 1


@pytest.mark.parametrize(
    'arguments',
    [
        (),
        ('--masks', 'a', '--cams', 'b'),
        ('--masks', 'a', '--rule', 'best'),
        ('--cams', 'a', '--map-ignore-to', 'drop'),
    ],
)
def test_contradicting_options_show_the_usage(run, arguments, capsys):
    with pytest.raises(SystemExit) as exit_info:
        run(*arguments)
    assert exit_info.value.code == 2 and 'usage:' in capsys.readouterr().err


def test_as_a_program(folder):
    words = [
        sys.executable,
        TOOL,
        '--gt',
        folder / 'gt',
        '--list',
        folder / 'none.txt',
        '--masks',
        folder / 'gt',
    ]
    result = subprocess.run(words, capture_output=True, text=True, check=False)
    assert result.returncode == 1 and result.stdout == ''
    assert result.stderr == f'error: {folder / "none.txt"}: image list not found\n'


@pytest.fixture
def black_and_white(tmp_path):
    """Ground truth of one object in 0 and 255, and masks that find nothing."""
    for number in range(4):
        gt = np.zeros((20, 30), np.uint8)
        gt[5:15, 5 + number : 20] = 255
        write_mask(tmp_path / 'gt' / f'p{number}.png', gt)
        write_mask(tmp_path / 'masks' / f'p{number}.png', np.zeros_like(gt))
    (tmp_path / 'val.txt').write_text('p0\np1\np2\np3\n')
    (tmp_path / 'classes.txt').write_text('background\npolyp\n')
    return tmp_path


@pytest.mark.parametrize('white, miou', [(None, None), ('ignore', 100.0), ('polyp', 38.75)])
def test_black_and_white_ground_truth(tool, black_and_white, white, miou, capsys):
    root = black_and_white
    arguments = ['--gt', root / 'gt', '--list', root / 'val.txt', '--masks', root / 'masks']
    arguments += ['--classes', root / 'classes.txt', '--workers', '1', '--json', root / 'a.json']
    arguments += [] if white is None else ['--white', white]
    code = run_main(lambda: tool.main(list(map(str, arguments))))
    output, error = capsys.readouterr()
    if white is None:
        assert code == 1 and error.count('\n') == 1
        assert 'black and white' in error and '--white polyp' in error
        return
    data = json.loads((root / 'a.json').read_text())
    assert code == 0 and data['mask/mIoU'] == pytest.approx(miou, abs=0.01)
    ignored = {'ignore': 22.5, 'polyp': 0.0}[white]
    assert f'ground truth that is ignored (255): {ignored:.2f} % of the pixels' in output


def test_an_absent_class_is_doubted_where_pixels_are_ignored(tool, black_and_white, capsys):
    root = black_and_white
    arguments = ['--gt', root / 'gt', '--list', root / 'val.txt', '--masks', root / 'masks']
    arguments += ['--num-classes', '3', '--workers', '1']
    assert run_main(lambda: tool.main(list(map(str, arguments)))) == 0
    error = capsys.readouterr().err
    assert 'note: class 1, class 2 never occurs in the ground truth, while 22.50 %' in error
