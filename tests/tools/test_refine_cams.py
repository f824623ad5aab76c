"""Pseudo masks from CAM files by every method, and reruns."""

import numpy as np
import pytest
import torch

from mmwsss.apis import init_model
from mmwsss.datasets.class_names import load_class_names
from mmwsss.functional.crf import background_alpha
from mmwsss.functional.pseudo_labels import labels_two_pass
from mmwsss.functional.thresholds import labels_at_threshold
from mmwsss.models.refiners import PAR, DenseCRF, SuperpixelsRefiner
from mmwsss.utils.io import read_cam, read_id_list, read_image, read_json, read_mask, write_cam
from tests.models.refiners.networks import save_sam
from tests.tools.program import one_line, run_tool

NETWORK = """
model = dict(
    type='mmwsss.{name}', data_preprocessor=dict(type='mmwsss.ViewsDataPreprocessor'),
    backbone=dict(type='mmwsss.PyramidResNet', depth=18, base_channels=4, stem_channels=4,
                  frozen_stages=-1), {options})
"""


@pytest.fixture(scope='module')
def cams(toy_root, tmp_path_factory):
    """Maps of the training images: blurred ground truth of two classes and one that is not there;
    the last image has no tags.
    """
    folder = tmp_path_factory.mktemp('refine') / 'cams'
    rng = np.random.default_rng(0)
    for name in read_id_list(toy_root / 'ImageSets' / 'Segmentation' / 'train.txt'):
        gt = read_mask(toy_root / 'SegmentationClass' / f'{name}.png')
        keys = (
            []
            if name.endswith('7')
            else sorted({*np.unique(gt[(gt > 0) & (gt < 255)]).tolist(), 3})
        )
        maps = [0.5 * (gt == key) + 0.5 * rng.random(gt.shape) for key in keys]
        write_cam(
            folder / f'{name}.npz',
            [key - 1 for key in keys],
            np.reshape(maps, (len(keys), *gt.shape)).astype(np.float16),
            gt.shape,
        )
    return folder


@pytest.fixture
def refine(cams, toy_root, tmp_path):
    """Run the tool; gives the result and the masks by name."""

    def call(*args, out='masks', workers=0, maps=cams):
        result = run_tool(
            'refine_cams.py',
            '--cams',
            maps,
            '--images',
            toy_root / 'JPEGImages',
            '--out',
            tmp_path / out,
            '--workers',
            workers,
            *args,
        )
        return result, {
            path.stem: read_mask(path, 9) for path in sorted((tmp_path / out).glob('*.png'))
        }

    return call


def jobs(cams, toy_root):
    """Name, image (H,W,3) RGB, maps and keys of every image."""
    for path in sorted(cams.glob('*.npz')):
        maps = read_cam(path)
        image = np.ascontiguousarray(
            read_image(toy_root / 'JPEGImages' / f'{path.stem}.jpg')[..., ::-1]
        )
        yield (
            path.stem,
            image,
            torch.from_numpy(maps.cam.astype(np.float32)),
            maps.keys.astype(np.int64),
        )


def labels_of(scores, keys):
    return np.asarray([0, *(keys + 1)])[scores.argmax(0).numpy()]


@pytest.mark.parametrize('workers', [0, 2])
def test_threshold(workers, refine, cams, toy_root):
    result, masks = refine(
        '--method',
        'threshold',
        '--background',
        '0.6',
        '--classes',
        toy_root / 'classes.txt',
        workers=workers,
    )
    assert result.code == 0 and '8 masks (0 were there)' in result.out, result
    for name, _, maps, keys in jobs(cams, toy_root):
        np.testing.assert_array_equal(
            masks.pop(name), labels_at_threshold(maps, torch.from_numpy(keys), 0.6)
        )
    assert not masks


def test_alpha_background(refine, cams, toy_root):
    _, masks = refine('--method', 'threshold', '--background', 'alpha:2')
    for name, _, maps, keys in jobs(cams, toy_root):
        expected = (
            labels_of(background_alpha(maps, 2), keys) if len(keys) else np.zeros(maps.shape[1:])
        )
        np.testing.assert_array_equal(masks[name], expected)


def test_a_network_of_prompts(refine, tmp_path):
    """Segment Anything through the tool, and a rerun of what is missing."""
    network = save_sam(tmp_path / 'sam', 'sam')
    options = ('--method', 'sam', '--cfg-options', f'refiner.model={network}')
    result, masks = refine(*options)
    assert result.code == 0 and len(masks) == 8, result
    first = min(masks)
    (tmp_path / 'masks' / f'{first}.png').unlink()
    result, again = refine(*options)
    assert '8 masks (7 were there)' in result.out
    assert all(np.array_equal(again[name], mask) for name, mask in masks.items())
    one_line(refine('--method', 'sam', out='other')[0], 'sam needs proposals=')


def test_crf(refine, cams, toy_root):
    _, masks = refine('--method', 'crf', '--background', '0.5', '--preset', 'irn')
    for name, image, maps, keys in list(jobs(cams, toy_root))[-3:]:
        expected = np.zeros(maps.shape[1:])
        if len(keys):
            expected = labels_of(
                DenseCRF(preset='irn')(image, torch.cat([torch.full_like(maps[:1], 0.5), maps])),
                keys,
            )
        np.testing.assert_array_equal(masks[name], expected)


def test_superpixels(refine, cams, toy_root, tmp_path):
    pytest.importorskip('skimage')
    _, masks = refine('--method', 'superpixels', '--background', '0.5')
    refiner = SuperpixelsRefiner(background=0.5)
    for name, image, maps, keys in list(jobs(cams, toy_root))[-2:]:
        expected = np.zeros(maps.shape[1:])
        if len(keys):
            pixels = torch.from_numpy(image).permute(2, 0, 1)
            (scores,) = refiner.refine([pixels], [maps], [keys], [maps.shape[1:]])
            expected = labels_of(scores, keys)
        np.testing.assert_array_equal(masks[name], expected)
    settings = read_json(tmp_path / 'masks' / 'settings.json')
    assert settings['method'] == 'superpixels'
    assert settings['refiner.method'] == 'felzenszwalb'


def test_par(refine, cams, toy_root):
    _, masks = refine('--method', 'par', '--high', '0.65', '--low', '0.45')
    assert {255} < set(np.unique(np.concatenate([mask.ravel() for mask in masks.values()])))
    name, image, maps, keys = next(jobs(cams, toy_root))
    tensor = torch.from_numpy(image.transpose(2, 0, 1).copy())[None].float()
    label = labels_two_pass(tensor, maps[None], torch.ones(1, len(keys)), 0.65, 0.45, par=PAR())[
        0
    ].numpy()
    table = np.full(256, 255)
    table[: len(keys) + 1] = 0, *(keys + 1)
    np.testing.assert_array_equal(masks[name], table[label])


@pytest.mark.parametrize(
    'method, network, options',
    [
        ('psa', 'AffinityNet', 'out_indices=(2, 3, 4), embed_channels=(4, 6, 8)'),
        ('irn', 'IRNet', 'edge_channels=8'),
    ],
)
def test_random_walks(method, network, options, refine, cams, toy_root, tmp_path):
    config, checkpoint = tmp_path / f'{method}.py', tmp_path / f'{method}.pth'
    config.write_text(NETWORK.format(name=network, options=options))
    model = init_model(config)
    model.init_weights()
    torch.save(dict(state_dict=model.state_dict()), checkpoint)
    args = (
        '--method',
        method,
        '--config',
        config,
        '--checkpoint',
        checkpoint,
        '--beta',
        '2',
        '--device',
        'cpu',
    )
    result, masks = refine(*args)
    assert result.code == 0 and len(masks) == 8, result
    name, image, maps, keys = next(jobs(cams, toy_root))
    normalised = (
        torch.from_numpy(image.transpose(2, 0, 1).copy()) - model.data_preprocessor.mean
    ) / model.data_preprocessor.std
    scores = model.eval().propagate(
        normalised, maps, beta=2, background=dict(psa=0.39, irn=0.25)[method]
    )
    np.testing.assert_array_equal(masks[name], labels_of(scores, keys))
    probabilities = scores / scores.sum(0).clamp_min(1e-5)
    np.testing.assert_array_equal(
        refine(*args, '--then-crf', out='crf')[1][name],
        labels_of(DenseCRF('psa')(image, probabilities), keys),
    )
    other = dict(psa='irn', irn='psa')[method]
    result, _ = refine('--method', other, *args[2:], out='other')
    one_line(result, config, f'--method {other}: ', 'needs an', f'this is a {network}')
    one_line(
        refine('--method', method, out='none')[0],
        f'--method {method} needs --config and --checkpoint',
    )
    one_line(
        refine(*args[:4], '--checkpoint', tmp_path / 'missing.pth', out='none')[0],
        'missing.pth: checkpoint not found',
    )


@pytest.mark.parametrize('method', ['threshold', 'crf'])
def test_uncertain_pixels(method, refine, cams, toy_root):
    """What the two background scores do not agree on is ignored."""
    _, masks = refine('--method', method, '--background', '0.5', '--uncertain', '0.1')
    low, high = (
        refine('--method', method, '--background', score, out=score)[1] for score in ('0.4', '0.6')
    )
    for name, mask in masks.items():
        np.testing.assert_array_equal(mask, np.where(low[name] == high[name], low[name], 255))
    assert any((mask == 255).any() for mask in masks.values())
    one_line(
        refine('--method', 'par', '--uncertain', '0.1', out='none')[0],
        '--uncertain is for --method crf and sam and superpixels and threshold, not par',
    )
    one_line(
        refine('--method', method, '--background', 'alpha:4', '--uncertain', '0.1', out='none')[0],
        '(--uncertain) must be at least 0 and needs a constant background',
    )
    one_line(
        refine('--method', method, '--then-crf', out='none')[0],
        f'--then-crf is for --method irn and psa and superpixels, not {method}',
    )


@pytest.mark.parametrize('method', ['par', 'crf'])
def test_batches(method, refine, tmp_path):
    """Images that are refined together get the same masks; a folder is finished in any batch."""
    options = ('--method', method)
    if method == 'crf':
        options += '--cfg-options', 'refiner.backend=torch'
    _, single = refine(*options, '--batch-size', '1', out='single')
    result, together = refine(*options, '--batch-size', '4')
    assert '8 masks (0 were there)' in result.out
    for name, mask in single.items():
        np.testing.assert_array_equal(together[name], mask)
    for name in list(single)[:3]:
        (tmp_path / 'masks' / f'{name}.png').unlink()
    result, again = refine(*options, '--batch-size', '2')
    assert '8 masks (5 were there)' in result.out
    np.testing.assert_array_equal(again[min(single)], single[min(single)])


@pytest.mark.parametrize(
    'args, message',
    [
        (('--batch-size', '0'), '--batch-size must be at least 1'),
        (('--batch-size', '2', '--workers', '2'), 'leave out --workers'),
    ],
)
def test_wrong_batches(args, message, refine):
    result, _ = refine('--method', 'par', *args)
    assert result.code == 2 and message in result.err


def test_rerun(refine, cams, tmp_path):
    """Missing masks are made, others stay; other settings are refused."""
    _, before = refine('--method', 'threshold')
    names = sorted(before)
    times = {name: (tmp_path / 'masks' / f'{name}.png').stat().st_mtime_ns for name in names}
    for name in names[:3]:
        (tmp_path / 'masks' / f'{name}.png').unlink()
    result, after = refine('--method', 'threshold')
    assert '8 masks (5 were there)' in result.out
    assert all(np.array_equal(before[name], after[name]) for name in names)
    assert all(
        (tmp_path / 'masks' / f'{name}.png').stat().st_mtime_ns == times[name] for name in names[3:]
    )
    one_line(
        refine('--method', 'threshold', '--background', '0.5')[0],
        tmp_path / 'masks',
        'other settings (background)',
    )
    assert read_json(tmp_path / 'masks' / 'settings.json')['background'] == 0.4


def test_list_and_folders(refine, toy_root, tmp_path):
    """Only what is listed; ids may have folders."""
    name = read_id_list(toy_root / 'ImageSets' / 'Segmentation' / 'train.txt')[0]
    (tmp_path / 'list.txt').write_text(f'{name}\n')
    assert list(refine('--method', 'threshold', '--list', tmp_path / 'list.txt')[1]) == [name]
    image = read_image(toy_root / 'JPEGImages' / f'{name}.jpg')
    (tmp_path / 'images' / 'trip').mkdir(parents=True)
    (tmp_path / 'images' / 'trip' / 'photo.1.jpg').write_bytes(
        (toy_root / 'JPEGImages' / f'{name}.jpg').read_bytes()
    )
    write_cam(tmp_path / 'maps' / 'trip' / 'photo.1.npz', [2], np.full((1, *image.shape[:2]), 0.9))
    result, _ = refine(
        '--method',
        'threshold',
        '--images',
        tmp_path / 'images',
        out='trips',
        maps=tmp_path / 'maps',
    )
    assert result.code == 0 and (read_mask(tmp_path / 'trips' / 'trip' / 'photo.1.png') == 3).all()


def test_bad_input(refine, cams, toy_root, tmp_path):
    one_line(
        refine('--method', 'threshold', maps=tmp_path / 'none')[0],
        tmp_path / 'none',
        'tools/generate_cams.py',
    )
    (tmp_path / 'empty').mkdir()
    one_line(
        refine('--method', 'threshold', maps=tmp_path / 'empty')[0],
        tmp_path / 'empty',
        'no CAM file',
    )
    (tmp_path / 'list.txt').write_text('train_00000\nnew\n')
    one_line(
        refine('--method', 'threshold', '--list', tmp_path / 'list.txt')[0],
        cams,
        '1 of 2 CAM file',
        'new',
    )
    one_line(
        refine('--method', 'threshold', '--images', tmp_path / 'empty')[0],
        tmp_path / 'empty',
        '8 of 8 image files',
    )
    assert not (tmp_path / 'masks').exists()
    (tmp_path / 'classes.txt').write_text('background\nkite\nboat\n')
    assert len(load_class_names(str(tmp_path / 'classes.txt'))) == 3
    one_line(
        refine('--method', 'threshold', '--classes', tmp_path / 'classes.txt')[0],
        'train_0000',
        'outside 0..1',
    )
    for content, message in ((b'PK', 'damaged CAM file'), (None, 'maps of 4x3 (width x height)')):
        folder = tmp_path / 'damaged'
        write_cam(folder / 'train_00000.npz', [0], np.zeros((1, 3, 4)))
        if content:
            (folder / 'train_00000.npz').write_bytes(content)
        one_line(
            refine('--method', 'threshold', maps=folder, out=message[:7])[0],
            'train_00000.npz',
            message,
        )
    one_line(
        refine('--method', 'watershed')[0], "'watershed' is not a known refiner", 'crf, irn, par'
    )
    one_line(refine()[0], 'choose a refiner: --method')
    one_line(
        refine('--method', 'crf', '--cfg-options', 'refiner.steps=3')[0],
        'the refiner crf has no option steps; options: preset, num_iters',
    )
    one_line(
        refine('--method', 'crf', '--cfg-options', 'steps=3')[0],
        'the override steps changes nothing without --config',
    )
    assert refine('--method', 'crf', '--preset', 'none')[0].code == 2
    assert refine('--method', 'threshold', '--background', 'much')[0].code == 2
    too_large = refine('--method', 'threshold', '--background', '40')[0]
    assert too_large.code == 2 and 'must be in [0,1], as the maps are; got 40' in too_large.err
    one_line(refine('--method', 'threshold', '--device', 'cuda:99')[0], "device 'cuda:99'")
