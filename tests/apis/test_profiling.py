"""Costs of a training step, on synthetic batches of every kind of config."""

import pytest
import torch

from mmwsss.apis.profiling import (
    DTYPES,
    count_waits,
    loader_cost,
    matmul_peak,
    profile_step,
    synthetic_batch,
)
from mmwsss.apis.speed import PRECISIONS, backbones
from tests.device.small_models import AFFINITY_CONFIGS, SEG_CONFIGS, TAG_CONFIGS, small_config
from tests.engine.toy_runs import toy_config


def test_every_precision_has_its_type() -> None:
    assert PRECISIONS == tuple(DTYPES)


@pytest.mark.parametrize('name', [*TAG_CONFIGS, *AFFINITY_CONFIGS, *SEG_CONFIGS])
def test_batches_have_the_shapes_of_the_pipeline(name: str) -> None:
    batch = synthetic_batch(small_config(name), 2)
    views = batch['inputs'] if isinstance(batch['inputs'][0], list) else [batch['inputs']]
    assert len(views) == dict(mcc=3, toco=3, cosa=2).get(name.split('_')[0].split('-')[0], 1)
    sides = {tuple(image.shape) for view in views for image in view}
    assert len(sides) == 1 and next(iter(sides))[1] in (224, 321, 384, 448, 512)
    sample = batch['data_samples'][0]
    wanted = 'gt_tags' if name in TAG_CONFIGS else 'affinity_label'
    assert ('gt_sem_seg' if name in SEG_CONFIGS else wanted) in sample


def test_a_step_is_profiled(toy_root, tmp_path) -> None:
    from mmwsss.registry import MODELS

    config = toy_config(toy_root, tmp_path)
    model = MODELS.build(config.model)
    assert len(backbones(model)) == 1
    result = profile_step(config, model, synthetic_batch(config, 2), rounds=1)
    assert result['waits'] is None and result['wait_places'] == []  # a CPU has no device
    assert 0 < result['tflops'] < 0.1 and result['peak_tflops'] > 0
    assert result['fraction'] == pytest.approx(
        result['tflops'] / (result['step_ms'] / 1e3) / result['peak_tflops']
    )
    assert result['losses']['loss'] > 0


def test_the_loader_is_profiled(toy_root, tmp_path) -> None:
    costs = loader_cost(toy_config(toy_root, tmp_path), items=2)
    assert {'LoadImage', 'PackTagInputs', 'total'} <= set(costs)
    assert costs['total'] == pytest.approx(sum(costs.values()) - costs['total'])


def test_nothing_waits_on_a_cpu() -> None:
    with count_waits(torch.device('cpu')) as places:
        torch.ones(1).item()
    assert places == []
    assert matmul_peak(torch.device('cpu'), torch.float32) > 0
