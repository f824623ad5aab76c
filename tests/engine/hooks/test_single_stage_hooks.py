"""Validation table, pictures and resumption of real single-stage runs."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmengine.runner import Runner
from mmengine.visualization import Visualizer

from mmwsss.engine.hooks import TrainingPictureHook, ValidationTableHook
from mmwsss.utils.io import write_json
from tests.engine.toy_runs import toy_config

OPTIONS = {
    'train_cfg.max_iters': 4,
    'train_cfg.val_interval': 2,
    'default_hooks.checkpoint.interval': 2,
    'param_scheduler.0.warmup': 1,
    'param_scheduler.0.end': 4,
    'model.backbone.arch.num_layers': 2,
    'model.backbone.arch.embed_dims': 32,
    'model.num_masks': 2,
    'model.loss_starts': dict(affinity=1, contrast=1, seg=3),
    'model.pseudo_label.par': dict(num_iters=1),
    'custom_hooks.5.interval': 3,
}


def config(root, work_dir, **options):
    return toy_config(root, work_dir, config='mcc_toy.py', **OPTIONS, **options)


@pytest.fixture(scope='module')
def run(toy_root, tmp_path_factory):
    """A run of four iterations."""
    folder = tmp_path_factory.mktemp('run')
    runner = Runner.from_cfg(config(toy_root, folder))
    seen = record(runner)
    runner.train()
    return runner, folder, seen


def record(runner):
    """Images and losses of every iteration, as they pass."""
    seen, step = [], runner.model.loss

    def loss(inputs, samples):
        losses = step(inputs, samples)
        seen.append(([sample.img_id for sample in samples], sorted(losses)))
        return losses

    runner.model.loss = loss
    return seen


def test_phases(run):
    classification = ['loss_aux_cls', 'loss_cls']
    contrast = ['loss_affinity', *classification, 'loss_contrast']
    assert [losses for _, losses in run[2]] == [
        classification,
        sorted(contrast),
        sorted(contrast),
        sorted([*contrast, 'loss_seg']),
    ]


def test_table_of_all_validations(run):
    runner, folder, _ = run
    rows = json.loads((folder / 'validations.json').read_text())
    assert [row['iteration'] for row in rows] == [2, 4]
    assert all(
        set(row) == {'iteration', 'seg/mIoU', 'cam/mIoU', 'aux_cam/mIoU', 'tags/F1_per_image'}
        for row in rows
    )
    metrics = json.loads((folder / 'metrics.json').read_text())
    assert all(rows[1][key] == metrics[key] for key in rows[1] if key != 'iteration')
    (hook,) = (hook for hook in runner.hooks if isinstance(hook, ValidationTableHook))
    assert len(hook._rows) == 2


def test_picture_of_each_interval(run):
    pictures = list(run[1].rglob('training_*.png'))
    assert [picture.name for picture in pictures] == ['training_3.png'] and pictures[
        0
    ].stat().st_size > 1000


def test_resumed_run_goes_on_where_it_stopped(run, toy_root, tmp_path):
    """Sampler, phases, averaged projector, optimizer, schedule and the table of validations."""
    runner, folder, seen = run
    write_json(tmp_path / 'validations.json', json.loads((folder / 'validations.json').read_text()))
    settings = config(toy_root, tmp_path)
    settings.resume, settings.load_from = True, str(folder / 'iter_2.pth')
    again = Runner.from_cfg(settings)
    later = record(again)
    again.train()
    assert later == seen[2:]
    assert [
        row['iteration'] for row in json.loads((tmp_path / 'validations.json').read_text())
    ] == [2, 4]
    first, second = runner.model.state_dict(), again.model.state_dict()
    assert first.keys() == second.keys()
    assert all(torch.equal(first[key], second[key]) for key in first if 'teacher' in key)
    rates = [[group['lr'] for group in one.optim_wrapper.param_groups] for one in (runner, again)]
    assert rates[0] == rates[1]


def test_a_new_run_from_old_weights_begins_anew(run, toy_root, tmp_path):
    settings = config(toy_root, tmp_path)
    settings.load_from = str(run[1] / 'iter_4.pth')
    settings.train_cfg.update(max_iters=1, val_interval=5)
    runner = Runner.from_cfg(settings)
    seen = record(runner)
    runner.train()
    assert seen[0][1] == ['loss_aux_cls', 'loss_cls']


def test_every_backend_gets_the_picture(monkeypatch):
    sent = []
    monkeypatch.setattr(
        Visualizer, 'add_image', lambda self, name, image, step: sent.append((name, image, step))
    )

    seen = dict(
        image=torch.zeros(3, 8, 9, dtype=torch.uint8),
        classes=torch.tensor([1]),
        cam=torch.rand(1, 8, 9),
        aux_cam=torch.rand(1, 8, 9),
        pseudo_label=torch.full((8, 9), 255),
        prediction=torch.zeros(8, 9, dtype=torch.long),
    )
    model = SimpleNamespace(
        data_preprocessor=lambda data, training: data, inspect=lambda inputs, samples: seen
    )
    loader = SimpleNamespace(
        dataset=SimpleNamespace(metainfo=dict(classes=('background', 'a', 'b')))
    )
    run = SimpleNamespace(
        rank=0,
        model=model,
        visualizer=Visualizer('pictures'),
        train_loop=SimpleNamespace(dataloader=loader),
    )
    batch = dict(inputs=None, data_samples=[SimpleNamespace(metainfo=dict(img_id='a'))])
    hook = TrainingPictureHook(2, cell=32)
    for run.iter in range(4):
        hook.after_train_iter(run, 0, batch)
    (name, image, step), (_, _, last) = sent
    assert (name, step, last) == ('training', 2, 4)
    assert image.dtype == np.uint8 and image.shape[1] > 5 * 32  # image, two maps, label, prediction
    with pytest.raises(ValueError, match='at least 1, got 0'):
        TrainingPictureHook(0)
