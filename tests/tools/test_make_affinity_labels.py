"""CAM files to labels of affinity networks: content, reruns, bad input; and the stages after it, up
to masks.
"""

from pathlib import Path

import numpy as np
import pytest

from mmwsss.apis import load_config
from mmwsss.apis.affinity_labels import AffinityLabelMaker
from mmwsss.utils.affinity_io import read_crf_maps
from mmwsss.utils.io import read_cam, read_id_list, read_image, read_json, read_mask, write_cam
from tests.tools.program import CONFIGS, one_line, run_tool

NUM_IMAGES = 4


@pytest.fixture(scope='module')
def cams(toy_root, tmp_path_factory):
    """Maps of four training images: blurred ground truth; the last image has no tags."""
    folder = tmp_path_factory.mktemp('affinity') / 'cams'
    rng = np.random.default_rng(0)
    for index, name in enumerate(
        read_id_list(toy_root / 'ImageSets' / 'Segmentation' / 'train.txt')[:NUM_IMAGES]
    ):
        gt = read_mask(toy_root / 'SegmentationClass' / f'{name}.png')
        keys = (
            [] if index == NUM_IMAGES - 1 else [int(key) for key in np.unique(gt) if 0 < key < 255]
        )
        maps = [0.7 * (gt == key) + 0.3 * rng.random(gt.shape) for key in keys]
        write_cam(
            folder / f'{name}.npz',
            [key - 1 for key in keys],
            np.reshape(maps, (len(keys), *gt.shape)).astype(np.float16),
            gt.shape,
        )
    return folder


@pytest.fixture
def make(cams, toy_root, tmp_path):
    def call(method, *args, maps=cams, out='labels', workers=0):
        return run_tool(
            'make_affinity_labels.py',
            '--cams',
            maps,
            '--images',
            toy_root / 'JPEGImages',
            '--out',
            tmp_path / out,
            '--method',
            method,
            '--workers',
            workers,
            *args,
        )

    return call


@pytest.mark.parametrize('workers', [0, 2])
def test_content(workers, make, cams, toy_root, tmp_path):
    result = make(
        'psa', '--high-alpha', '8', '--classes', toy_root / 'classes.txt', workers=workers
    )
    assert result.code == 0 and f'{NUM_IMAGES} files (0 were there)' in result.out, result
    path = sorted(cams.glob('*.npz'))[0]
    image, maps = read_image(toy_root / 'JPEGImages' / f'{path.stem}.jpg'), read_cam(path)
    AffinityLabelMaker(tmp_path / 'again', 'psa', high_alpha=8)(
        (path.stem, path, toy_root / 'JPEGImages' / f'{path.stem}.jpg')
    )
    assert (tmp_path / 'again' / path.name).read_bytes() == (
        tmp_path / 'labels' / path.name
    ).read_bytes()
    assert read_crf_maps(tmp_path / 'labels' / path.name).la.shape == (
        len(maps.keys) + 1,
        *image.shape[:2],
    )
    settings = read_json(tmp_path / 'labels' / 'settings.json')
    assert (settings['low_alpha'], settings['high_alpha'], settings['preset']) == (1, 8, 'psa')


def test_irn_labels_and_list(make, cams, tmp_path):
    names = [path.stem for path in sorted(cams.glob('*.npz'))]
    (tmp_path / 'list.txt').write_text('\n'.join(names[1:]))
    assert make('irn', '--list', tmp_path / 'list.txt', '--backend', 'torch').code == 0
    assert sorted(path.stem for path in (tmp_path / 'labels').glob('*.png')) == names[1:]
    allowed = {0, 255, *(key + 1 for key in read_cam(cams / f'{names[1]}.npz').keys)}
    assert {*np.unique(read_mask(tmp_path / 'labels' / f'{names[1]}.png'))} <= allowed
    assert not read_mask(tmp_path / 'labels' / f'{names[-1]}.png').any()


def test_a_rerun_continues(make, cams, tmp_path):
    make('irn')
    files = sorted((tmp_path / 'labels').glob('*.png'))
    before = {path: path.stat().st_mtime_ns for path in files[1:]}
    files[0].unlink()
    result = make('irn')
    assert f'{NUM_IMAGES} files ({NUM_IMAGES - 1} were there)' in result.out and files[0].is_file()
    assert all(path.stat().st_mtime_ns == time for path, time in before.items())
    one_line(make('irn', '--foreground', '0.4'), tmp_path / 'labels', 'other settings (foreground)')
    one_line(make('psa'), tmp_path / 'labels', 'other settings')
    assert make('irn', '--backend', 'torch').code == 0  # another backend makes the same labels


def test_bad_input(make, cams, toy_root, tmp_path):
    one_line(make('psa', maps=tmp_path / 'none'), tmp_path / 'none', 'tools/generate_cams.py')
    (tmp_path / 'empty').mkdir()
    one_line(make('psa', maps=tmp_path / 'empty'), tmp_path / 'empty', 'no CAM file')
    (tmp_path / 'list.txt').write_text('train_00000\nnew\n')
    one_line(make('psa', '--list', tmp_path / 'list.txt'), cams, '1 of 2 CAM file', 'new')
    one_line(
        make('psa', '--images', tmp_path / 'empty'),
        tmp_path / 'empty',
        f'{NUM_IMAGES} of {NUM_IMAGES} image files',
    )
    one_line(make('psa', '--low-alpha', '20'), 'low alpha', '20')
    one_line(make('irn', '--background', '0.5'), 'background', '0.5')
    assert not (tmp_path / 'labels').exists()
    write_cam(tmp_path / 'same' / 'train_00000.npz', [0], np.zeros((1, 3, 4)))
    one_line(make('psa', maps=tmp_path / 'same', out='same'), tmp_path / 'same', 'choose another')
    one_line(make('psa', maps=tmp_path / 'same', out='sizes'), 'train_00000.npz', 'maps of 4x3')
    (tmp_path / 'classes.txt').write_text('background\nkite\n')
    one_line(make('psa', '--classes', tmp_path / 'classes.txt', out='classes'), 'outside 0..0')
    (tmp_path / 'same' / 'train_00000.npz').write_bytes(b'PK')
    one_line(
        make('psa', maps=tmp_path / 'same', out='damaged'), 'train_00000.npz', 'damaged CAM file'
    )
    for args in (
        ('crf',),
        ('psa', '--foreground', '0.3'),
        ('irn', '--low-alpha', '1'),
        ('psa', '--preset', 'none'),
    ):
        assert make(*args).code == 2


@pytest.mark.parametrize(
    'method, config',
    [
        ('psa', 'psa_toy'),
        ('psa', 'psa_voc'),
        ('psa', 'ablations/psa_voc_momentum'),
        ('psa', 'msrc21/psa_msrc21'),
        ('irn', 'irn_toy'),
        ('irn', 'irn_voc'),
        ('irn', 'irn_coco'),
    ],
)
def test_training_and_masks(method, config, make, cams, toy_root, tmp_path):
    """Two steps of the config with a tiny trunk, on four images, then the walk of the network."""
    assert make(method).code == 0
    names = [path.stem for path in sorted(cams.glob('*.npz'))]
    (tmp_path / 'list.txt').write_text('\n'.join(names))
    tiny = (
        "dict(type='mmwsss.PyramidResNet',depth=18,base_channels=4,stem_channels=4,"
        "strides=(1,2,1,1),frozen_stages=-1,init_cfg=dict(type='Kaiming',layer='Conv2d'))"
    )
    changed = tmp_path / Path(config).with_suffix('.py').name
    extra = (
        ''
        if method == 'irn'
        else "model['out_indices'], model['embed_channels'] = (2, 3, 4), (4, 6, 8)\n"
    )
    changed.write_text(
        f"_base_ = ['{CONFIGS / config}.py']\nmodel = dict(backbone=dict(_delete_=True, "
        f'**{tiny}))\n{extra}'
    )
    dataset = 'train_dataloader.dataset'
    options = {
        'train_dataloader.batch_size': 2,
        'train_dataloader.num_workers': 0,
        'train_dataloader.persistent_workers': False,
        f'{dataset}.data_root': toy_root,
        f'{dataset}.ann_file': tmp_path / 'list.txt',
        'train_cfg.max_iters': 2,
        f'{dataset}.data_prefix.affinity_path': tmp_path / 'labels',
        'default_hooks.logger.interval': 1,
    }
    result = run_tool('train.py', changed, '--work-dir', tmp_path / 'run', options=options)
    assert result.code == 0, result
    result = run_tool(
        'refine_cams.py',
        '--cams',
        cams,
        '--images',
        toy_root / 'JPEGImages',
        '--out',
        tmp_path / 'masks',
        '--method',
        method,
        '--config',
        changed,
        '--checkpoint',
        tmp_path / 'run' / 'iter_2.pth',
    )
    assert result.code == 0, result
    for name in names:
        maps = read_cam(cams / f'{name}.npz')
        mask = read_mask(tmp_path / 'masks' / f'{name}.png', 9, maps.size)
        assert {*np.unique(mask)} <= {0, *(key + 1 for key in maps.keys.tolist())}


@pytest.mark.parametrize(
    'config, steps, rates, momentum, decay',
    [
        ('psa_voc', 6610, (0.01, 0.1), 5e-4, 5e-4),
        ('ablations/psa_voc_momentum', 6610, (1e-3, 1e-2), 0.9, 5e-4),
        ('irn_voc', 990, (0.1, 1.0), 1e-4, 1e-4),
        ('irn_coco', 7695, (0.1, 1.0), 1e-4, 1e-4),
    ],
)
def test_recipes(config, steps, rates, momentum, decay):
    """Settings of the released PSA and IRN; the schedule ends with the training."""
    cfg = load_config(CONFIGS / f'{config}.py')
    optimizer, schedule = cfg.optim_wrapper.optimizer, cfg.param_scheduler[0]
    factors = {key.lr_mult for key in cfg.optim_wrapper.paramwise_cfg.custom_keys.values()}
    assert (optimizer.type, optimizer.momentum, optimizer.weight_decay) == ('SGD', momentum, decay)
    assert [optimizer.lr * factor for factor in sorted({1.0, *factors})] == pytest.approx(rates)
    assert cfg.train_cfg.max_iters == steps and schedule.end == steps + 1 and schedule.power == 0.9
    assert (
        cfg.train_dataloader.batch_size == (8 if 'psa' in config else 32)
        and cfg.train_dataloader.drop_last
    )
