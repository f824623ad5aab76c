"""The moving average in real runs: after each step, in checkpoints, resumed exactly; both protocols
of evaluation.
"""

import json

import pytest
import torch
from mmengine.runner import Runner

from tests.engine.toy_runs import toy_config, train

OPTIONS = {
    'train_cfg.max_iters': 4,
    'train_cfg.val_interval': 4,
    'default_hooks.checkpoint.interval': 2,
    'param_scheduler.0.warmup': 1,
    'param_scheduler.0.end': 4,
    'model.backbone.arch.num_layers': 2,
    'model.backbone.arch.embed_dims': 32,
    'model.loss_starts': dict(seg=1, cam=1, separation=3),
}
PAPER = {'model.dynamic_threshold.interval': 1, 'model.dynamic_threshold.min_updates': 1}


def config(name, root, work_dir, **options):
    more = PAPER if 'paper' in name else {}
    return toy_config(root, work_dir, config=f'{name}.py', **{**OPTIONS, **more, **options})


@pytest.mark.parametrize('name', ['cosa_toy', 'cosa-paper_toy'])
def test_resumed_run_reaches_the_same_weights(name, toy_root, tmp_path):
    """Both networks, thresholds, queues and what the validation says, tags used or not."""
    whole = train(config(name, toy_root, tmp_path / 'whole'))
    settings = config(name, toy_root, tmp_path / 'resumed')
    settings.resume, settings.load_from = True, str(tmp_path / 'whole' / 'iter_2.pth')
    resumed = Runner.from_cfg(settings)
    resumed.train()
    first, second = whole.model.state_dict(), resumed.model.state_dict()
    assert first.keys() == second.keys() and any(key.startswith('assignment.') for key in first)
    for key, value in first.items():
        assert torch.equal(value, second[key]), key
    if 'paper' in name:
        assert (
            int(first['threshold.updates']) == 4
            and float(first['threshold.thresholds']) != settings.model.pseudo_label.xi
        )
    metrics, again = (
        json.loads((tmp_path / run / 'metrics.json').read_text()) for run in ('whole', 'resumed')
    )
    assert metrics['seg/mIoU'] == again['seg/mIoU'] and 'seg/mIoU_image_tags' in metrics
    assert metrics['protocol']['seg']['use_image_tags'] is True


def test_average_follows_every_step(toy_root, tmp_path):
    """In warm-up too: with momentum 0 the networks are equal, with 1 the average never moves."""
    for momentum in (0.0, 1.0):
        runner = Runner.from_cfg(
            config(
                'cosa_toy',
                toy_root,
                tmp_path / str(momentum),
                **{
                    'model.momentum': momentum,
                    'train_cfg.max_iters': 1,
                    'train_cfg.val_interval': 9,
                    'model.loss_starts': dict(seg=9, cam=9),
                },
            )
        )
        runner.train()
        model = runner.model
        equal = [
            torch.equal(one, two)
            for ours, theirs in model.average.modules()
            for one, two in zip(ours.parameters(), theirs.parameters())
        ]
        assert all(equal) == (momentum == 0)
