"""metrics.json and curves.json of real runs."""

import json

import pytest
from mmengine.runner import Runner

from tests.engine.toy_runs import toy_config, train


def test_files_of_training_and_test(toy_root, tmp_path):
    runner = train(toy_config(toy_root, tmp_path))
    metrics = json.loads((tmp_path / 'metrics.json').read_text())
    assert (
        metrics['protocol']['loop'] == 'val'
        and metrics['protocol']['iteration'] == runner.iter == 2
    )
    assert (
        0 <= metrics['cam/mIoU'] <= 100
        and 0 <= metrics['cam/best_threshold'] <= 1
        and 0 <= metrics['tags/mAP'] <= 100
    )
    assert metrics['protocol']['cam']['split'] == 'val'
    curves = json.loads((tmp_path / 'curves.json').read_text())
    assert (
        max(curves['cam']['mIoU']) == pytest.approx(metrics['cam/mIoU'])
        and len(curves['cam']['mIoU']) == 100
    )
    config = toy_config(toy_root, tmp_path / 'test')
    config.load_from = str(tmp_path / 'epoch_1.pth')
    Runner.from_cfg(config).test()
    metrics = json.loads((tmp_path / 'test' / 'metrics.json').read_text())
    assert metrics['protocol']['loop'] == 'test' and metrics['protocol']['cam']['split'] == 'test'


def test_another_file_and_a_metric_without_protocol(toy_root, tmp_path):
    config = toy_config(toy_root, tmp_path)
    config.custom_hooks = [dict(type='mmwsss.MetricsFileHook', out_file='results/val.json')]
    config.val_evaluator = config.test_evaluator = [dict(type='mmwsss.TagMetric')]
    Runner.from_cfg(config).val()
    assert 'tags/mAP' in json.loads((tmp_path / 'results' / 'val.json').read_text())
    assert not (tmp_path / 'results' / 'curves.json').exists()


def test_results_of_an_oracle_are_marked(toy_root, tmp_path):
    config = toy_config(toy_root, tmp_path)
    config.log_level = 'INFO'
    runner = Runner.from_cfg(config)
    runner.model.supervision = 'pixel masks'
    runner.val()
    protocol = json.loads((tmp_path / 'metrics.json').read_text())['protocol']
    assert protocol['supervision'] == protocol['cam']['supervision'] == 'pixel masks'
    assert 'these results are of pixel masks' in next(tmp_path.glob('*/*.log')).read_text()
