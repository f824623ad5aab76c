"""CAM files of a split, and reruns after an interruption."""

import numpy as np
import pytest
import torch

from mmwsss.engine.prediction_writer import PredictionWriter
from mmwsss.functional.thresholds import labels_at_threshold
from mmwsss.utils.io import read_cam, read_id_list, read_json, read_mask
from tests.tools.program import one_line, run_tool


@pytest.fixture(scope='module')
def generate(classifier):
    """Run the tool on the training split, or another one."""

    def call(out, *args, split='train', **options):
        return run_tool(
            'generate_cams.py',
            classifier.config,
            classifier.checkpoint,
            '--split',
            split,
            '--out',
            out,
            *args,
            options={**classifier.options, **options},
        )

    return call


@pytest.fixture(scope='module')
def cams(generate, tmp_path_factory):
    """Maps of the training split."""
    folder = tmp_path_factory.mktemp('cams') / 'maps'
    result = generate(folder)
    assert result.code == 0 and 'all 8 images are done' in result.out, result
    return folder


def contents(folder):
    return {
        path.name: path.read_bytes()
        for path in sorted(folder.glob('*.*'))
        if path.name not in ('settings.json', 'inputs.json')
    }


def test_files(cams, toy_root):
    assert sorted(contents(cams)) == [
        f'{name}.npz'
        for name in sorted(read_id_list(toy_root / 'ImageSets/Segmentation/train.txt'))
    ]
    maps = [read_cam(path) for path in sorted(cams.glob('*.npz'))]
    assert all(
        file.cam.dtype == np.float32 and file.cam.shape == (len(file.keys), *file.size)
        for file in maps
    )
    assert max(file.cam.max() for file in maps) <= 1 and {
        64 <= side <= 80 for file in maps for side in file.size
    } == {True}
    settings = read_json(cams / 'settings.json')
    assert (
        settings['split'] == 'train'
        and settings['num_images'] == 8
        and settings['test_cfg']['refine'] is False
    )


def test_batches_give_the_same_maps(generate, cams, tmp_path):
    result = generate(tmp_path / 'batched', '--batch-size', 4)
    assert result.code == 0, result
    for path in sorted(cams.glob('*.npz')):
        single, batched = read_cam(path), read_cam(tmp_path / 'batched' / path.name)
        assert (single.keys == batched.keys).all() and single.size == batched.size
        np.testing.assert_allclose(batched.cam, single.cam, atol=1e-5)
    assert one_line(generate(tmp_path / 'none', '--batch-size', 0), 'a batch size of 0')


def test_an_interrupted_run_continues(generate, cams, tmp_path, monkeypatch):
    """The files that are there stay untouched, and in the end all are as if nothing had
    happened.
    """
    write = PredictionWriter.write

    def interrupt(self, sample):
        if len(list(tmp_path.glob('*.npz'))) == 3:
            raise KeyboardInterrupt
        write(self, sample)

    monkeypatch.setattr(PredictionWriter, 'write', interrupt)
    assert generate(tmp_path).code == 130
    assert len(contents(tmp_path)) == 3
    before = {path: path.stat().st_mtime_ns for path in tmp_path.glob('*.npz')}
    monkeypatch.setattr(PredictionWriter, 'write', write)
    result = generate(tmp_path)
    assert result.code == 0 and '3 of 8 images are done' in result.out
    assert contents(tmp_path) == contents(cams)
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_nothing_to_do(generate, cams):
    before = contents(cams)
    assert '8 of 8 images are done' in generate(cams).out
    assert contents(cams) == before


@pytest.mark.parametrize(
    'args, split, settings',
    [
        (['--half', '--refine'], 'train', 'half, test_cfg'),
        (['--masks', '0.4'], 'val', 'kind, num_images, split, threshold'),
    ],
)
def test_other_settings_are_refused(generate, cams, args, split, settings):
    before = contents(cams)
    one_line(generate(cams, *args, split=split), cams, f'other settings ({settings})')
    assert contents(cams) == before


def test_precision(generate, cams, tmp_path):
    """Half the size of file, half the precision of the network: the same maps up to rounding."""
    assert (
        generate(tmp_path / 'half', '--half').code
        == generate(tmp_path / 'bf16', '--dtype', 'bf16').code
        == 0
    )
    for path in cams.glob('*.npz'):
        reference, half, bf16 = (
            read_cam(folder / path.name) for folder in (cams, tmp_path / 'half', tmp_path / 'bf16')
        )
        assert reference.keys.tolist() == half.keys.tolist() == bf16.keys.tolist()
        assert half.cam.dtype == np.float16 and bf16.cam.dtype == np.float32
        np.testing.assert_allclose(half.cam, reference.cam, atol=1e-3)
        # the maps of a network that has hardly been trained are nearly flat before they are
        # stretched to [0,1]
        assert 0 < np.abs(bf16.cam - reference.cam).mean() < 0.1


def test_refinement_is_an_option(generate, cams, tmp_path):
    assert generate(tmp_path / 'on', '--refine').code == 0
    assert generate(tmp_path / 'off', '--no-refine', **{'model.test_cfg.refine': True}).code == 0
    assert contents(tmp_path / 'off') == contents(cams)
    assert all(
        contents(tmp_path / 'on')[name] != content for name, content in contents(cams).items()
    )


def test_masks(generate, cams, tmp_path):
    assert generate(tmp_path, '--masks', '0.35').code == 0
    for path in cams.glob('*.npz'):
        maps = read_cam(path)
        expected = labels_at_threshold(
            torch.from_numpy(maps.cam), torch.from_numpy(maps.keys.astype(np.int64)), 0.35
        )
        np.testing.assert_array_equal(read_mask(tmp_path / f'{path.stem}.png', 9), expected)


def test_a_list_and_images_without_masks(generate, cams, toy_root, tmp_path):
    """Only the listed images; ground truth does not have to exist."""
    root = tmp_path / 'root'
    root.mkdir()
    for folder in ('JPEGImages', 'image_tags.csv'):
        (root / folder).symlink_to(toy_root / folder)
    names = sorted(path.stem for path in cams.glob('*.npz'))[2:5]
    (tmp_path / 'some.txt').write_text('\n'.join(names))
    result = generate(tmp_path / 'out', split=tmp_path / 'some.txt', data_root=root)
    assert result.code == 0, result
    assert contents(tmp_path / 'out') == {
        f'{name}.npz': contents(cams)[f'{name}.npz'] for name in names
    }


def test_bad_input(generate, classifier, tmp_path):
    one_line(generate(tmp_path / 'a', split='trainval'), 'trainval.txt')
    one_line(
        generate(tmp_path / 'b', **{'model.num_classes': 5}),
        classifier.checkpoint,
        '8 class tokens, the model 5',
    )
    one_line(
        run_tool(
            'generate_cams.py',
            classifier.config,
            tmp_path / 'missing.pth',
            '--split',
            'val',
            '--out',
            tmp_path / 'c',
            options=classifier.options,
        ),
        'missing.pth: checkpoint not found',
    )
    assert not contents(tmp_path / 'b') and not (tmp_path / 'c' / 'settings.json').exists()
    assert (
        run_tool(
            'generate_cams.py', classifier.config, classifier.checkpoint, '--split', 'val'
        ).code
        == 2
    )
    assert generate(tmp_path / 'd', '--dtype', 'fp8').code == 2


def test_a_threshold_or_device_that_cannot_be(tmp_path):
    arguments = 'c.py', 'w.pth', '--split', 'all', '--out', tmp_path / 'masks'
    result = run_tool('generate_cams.py', *arguments, '--masks', '40')
    assert result.code == 2 and 'argument --masks: must be in [0,1]' in result.err
    one_line(run_tool('generate_cams.py', *arguments, '--device', 'gpu'), "device 'gpu'")
    assert not (tmp_path / 'masks').exists()
