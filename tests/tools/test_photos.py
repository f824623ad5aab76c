"""Own photos from tags to predictions in one command, on tiny pictures; the stages run inside the
process of the test.
"""

import shutil
from unittest.mock import patch

import numpy as np
import pytest
from PIL import Image

from mmwsss.apis.own_photos import StageCost
from mmwsss.apis.pipeline import Pipeline, StageFailed
from mmwsss.utils.io import read_json, read_mask
from tests.tools.program import CONFIGS, TOOLS, one_line, run_tool

COLORS = dict(apple=(220, 30, 30), leaf=(30, 200, 40))
COSTS = [StageCost('classifier', 90.0, 2**30), StageCost('cams', 30.0, 2**29)]
STAGES = ['classifier', 'cams', 'threshold', 'masks', 'segmentation', 'predictions', 'tag_audit']
CONFIG = """
_base_ = {base!r}
alone = {{f'{{name}}_dataloader.{{key}}': value for name in ('train', 'test')
         for key, value in (('num_workers', 0), ('persistent_workers', False))}}
stage_options = dict(classifier=alone, cams=alone, segmentation=alone, predictions=alone)
stage_args = dict(masks=['--workers', '0'], tag_audit=['--colors'])
"""


@pytest.fixture(scope='module')
def pictures(tmp_path_factory):
    """A folder of ten photos of red and green things, larger than the networks see them, and its
    table.
    """
    folder = tmp_path_factory.mktemp('own') / 'pictures'
    folder.mkdir()
    rng = np.random.default_rng(0)
    lines = ['image,tags']
    for number in range(10):
        image = rng.integers(90, 110, (60, 80, 3), np.uint8)
        tags = [name for bit, name in enumerate(COLORS) if number >> bit & 1]
        for place, name in enumerate(tags):
            image[15:45, 10 + 30 * place : 35 + 30 * place] = COLORS[name]
        Image.fromarray(image).save(folder / f'p{number}.png')
        lines.append(f'p{number}.png,{" ".join(tags)}')
    (folder.parent / 'tags.csv').write_text('\n'.join(lines) + '\n')
    base = str(CONFIGS / 'pipelines' / 'own_photos_small.py')
    (folder.parent / 'pipeline.py').write_text(CONFIG.format(base=base))
    return folder


def in_process(self, title, stage, settings, spent):
    """Run a stage as :meth:`Pipeline._run_stage` does, without a process of its own."""
    name = stage['name']
    (self.work_dir / name).mkdir(parents=True, exist_ok=True)
    self.notes.own(name)
    self.notes.write(name, 'running', settings, spent)
    ran.append(name)
    if name in failing:
        raise StageFailed(f'stage {name} failed')
    command = self._command(stage)
    result = run_tool(stage['tool'], *command[2:])
    assert result.code == 0, result.err
    assert self._missing(stage) is None
    self.notes.write(name, 'done', settings, 1.0)
    return 1.0


ran, failing = [], set()


def photos(pictures, out, *args):
    ran.clear()
    with (
        patch.object(Pipeline, '_run_stage', in_process),
        # the config lies elsewhere
        patch('mmwsss.apis.pipeline.find_folders', lambda config: (CONFIGS, TOOLS)),
        # test_own_photos.py
        patch('mmwsss.apis.own_photos.estimate_stages', lambda *args: COSTS),
    ):
        return run_tool(
            'photos.py',
            pictures,
            *('--tags', pictures.parent / 'tags.csv', '--out', out, '--max-side', 64),
            *('--config', pictures.parent / 'pipeline.py', '--epochs', 1, '--iterations', 2),
            *('--workers', 0, *args),
        )


@pytest.fixture(scope='module')
def run(pictures):
    """A run that is stopped before its fifth stage and goes on."""
    out = pictures.parent / 'mine'
    failing.add('segmentation')
    stopped = photos(pictures, out)
    failing.clear()
    assert one_line(stopped, 'stage segmentation failed') and ran == STAGES[:5]
    result = photos(pictures, out)
    assert result.code == 0, result
    assert ran == STAGES[4:]
    return out, result


def test_everything_is_written(run, pictures):
    out, result = run
    assert '10 photos, 2 classes: apple, leaf' in result.out
    assert 'mmwsss predict NEW_PHOTOS' in result.out
    for number in range(10):
        name = f'p{number}.png'
        assert Image.open(out / 'data' / 'JPEGImages' / name).size == (64, 48)
        assert read_mask(out / 'masks' / name, 3).shape == (48, 64)
        assert read_mask(out / 'photo_masks' / name, 3).shape == (60, 80)
        assert read_mask(out / 'predictions' / 'masks' / name, 3).shape == (48, 64)
    page = (out / 'report.html').read_text()
    assert 'id="tags"' in page and 'Photos to correct next' in page and 'id="images"' in page
    audit = read_json(out / 'tag_audit' / 'audit.json')
    assert audit['photos'] == 10 and len(audit['draw']) == 10
    assert 0 < read_json(out / 'threshold' / 'metrics.json')['threshold'] < 1
    assert (out / 'tags.txt').read_text().startswith('tags of ')


def test_nothing_is_done_twice_and_changes_are_named(run, pictures):
    out, _ = run
    assert photos(pictures, out).code == 0 and ran == []
    assert one_line(photos(pictures, out, '--epochs', 2), 'classifier', '--redo-changed')


def test_new_photos(run, tmp_path):
    out, _ = run
    for number, size in enumerate([(60, 80), (40, 30)]):
        shade = np.full((*size, 3), 40 + number, np.uint8)
        Image.fromarray(shade).save(tmp_path / f'new{number}.png')
    result = run_tool('predict.py', tmp_path / 'new*.png', '--model', out, '--out', tmp_path / 'a')
    assert result.code == 0, result
    found = read_json(tmp_path / 'a' / 'results.json')
    assert {*found} == {'new0', 'new1'} and 'scores' not in found['new0']
    assert read_mask(tmp_path / 'a' / 'new0.png', 3).shape == (60, 80)
    assert (tmp_path / 'a' / 'new1_overlay.png').is_file()
    words = ['predict.py', tmp_path / 'new0.png', '--model', out, '--out', tmp_path / 'b']
    result = run_tool(*words, '--tags', 'leaf', '--threshold', 0.5)
    assert result.code == 0, result
    assert [*read_json(tmp_path / 'b' / 'results.json')['new0']['scores']] == ['leaf']
    assert (tmp_path / 'b' / 'new0.npz').is_file()
    # a run can be moved
    shutil.copytree(out, tmp_path / 'moved', symlinks=True)
    words[3], words[5] = tmp_path / 'moved', tmp_path / 'c'
    assert run_tool(*words, '--maps').code == 0


def test_bad_input(pictures, tmp_path):
    result = run_tool('predict.py', 'x.png', '--model', tmp_path, '--out', tmp_path / 'a')
    assert one_line(result, 'photos.json: not found', 'mmwsss photos')
    result = run_tool('photos.py', pictures, '--tags', tmp_path / 'none.csv', '--out', tmp_path)
    assert one_line(result, 'none.csv')
    (tmp_path / 'tags.csv').write_text('image,tags\np0,\nz9,apple\n')
    result = run_tool(
        'photos.py', pictures, '--tags', tmp_path / 'tags.csv', '--out', tmp_path / 'out'
    )
    assert result.code == 1 and 'photo of a row not found' in result.err
    assert not (tmp_path / 'out').exists()
    assert run_tool('photos.py', pictures, '--out', tmp_path, '--max-side', 3).code == 2


def test_dry_run_writes_nothing(pictures, tmp_path):
    (tmp_path / 'names.yaml').write_text('fruit: [apple]\n')
    words = ['--class-map', tmp_path / 'names.yaml', '--rename', 'fruit=food']
    result = photos(pictures, tmp_path / 'out', '--dry-run', *words)
    assert result.code == 0, result
    assert '10 photos, 2 classes: food, leaf' in result.out
    assert '| classifier |    1.50 |       1.00 |' in result.out
    assert '| all        |    2.00 |       1.00 |' in result.out
    assert ran == [] and not (tmp_path / 'out').exists()


def test_too_little_memory(pictures, tmp_path):
    huge = [StageCost('classifier', 1.0, 2**60)]
    with patch(f'{__name__}.COSTS', huge):
        result = photos(pictures, tmp_path / 'out')
    assert one_line(result, 'are free: give a smaller --max-side than 64')
    assert ran == [] and not (tmp_path / 'out').exists()
