"""A loss leaves its model as it is: the state changes in ``update_*`` methods, which hooks call."""

import copy

import pytest
import torch

from tests.models.algorithms import test_aream as aream
from tests.models.cams.networks import network
from tests.single_stage_models import build, pictures, samples

TAGS = [[1, 0, 0, 1, 0], [0, 0, 1, 0, 0]]
PAPER = dict(
    pseudo_label=dict(labels='single'),
    dynamic_threshold=dict(capacity=8, grid=(8, 8), interval=1, min_updates=1),
    reliability_loss={},
    loss_weights=dict(energy=0.0, separation=0.1),
)


def single_stage(kind, num_views, **options):
    return build(kind, **options), [pictures(2) for _ in range(num_views)], samples(TAGS)


def classifier(kind, **options):
    options.setdefault('test_cfg', {})
    model = network(kind, **options)
    return model, torch.randn(2, 3, 48, 48), samples([[1, 0, 0, 1], [0, 1, 0, 0]])


MODELS = {
    'single-stage': lambda: single_stage('SingleStage', 1),
    'mcc': lambda: single_stage('MCC', 3, mask_scale=2),
    'toco': lambda: single_stage('ToCo', 3, num_crops=2, crop_size=24),
    'cosa': lambda: single_stage('CoSA', 2),
    'cosa-paper': lambda: single_stage('CoSA', 2, **PAPER),
    'mctformer': lambda: classifier('MCTformer'),
    'mctformer-plus': lambda: classifier('MCTformerPlus'),
    'acr': lambda: classifier('ACRClassifier'),
    'aream': lambda: (aream.network(), *aream.batch()),
}


def state_of(model):
    """Everything that a checkpoint or a copy carries, buffers outside of it included, and plain
    numbers.
    """
    tensors = {**model.state_dict(), **dict(model.named_buffers())}
    tensors = {name: value.clone() for name, value in tensors.items()}
    numbers = {
        name: value for name, value in vars(model).items() if isinstance(value, (int, float))
    }
    return tensors, copy.deepcopy(numbers)


@pytest.mark.parametrize('name', MODELS)
def test_loss_twice(name):
    """The same losses, with the same random numbers, and a state that has not moved."""
    model, inputs, data_samples = MODELS[name]()
    model.train()
    tensors, numbers = state_of(model)
    results = []
    for _ in range(2):
        torch.manual_seed(3)
        results.append(model.loss(inputs, data_samples))
        after, numbers_after = state_of(model)
        assert numbers_after == numbers
        assert after.keys() == tensors.keys()
        for key, value in tensors.items():
            assert torch.equal(after[key], value), key
    first, second = results
    assert first.keys() == second.keys()
    for key, value in first.items():
        assert torch.equal(value, second[key]), key


def test_thresholds_of_a_batch_label_it_before_they_are_the_state():
    model, inputs, data_samples = MODELS['cosa-paper']()
    before = model.current_thresholds()
    model.loss(inputs, data_samples)
    proposed = model.current_thresholds()
    assert proposed != before and float(model.threshold.thresholds) == before[0]['xi']
    model.update_thresholds()
    assert model.current_thresholds() == proposed and model.proposed is None
    assert float(model.threshold.thresholds) == proposed[0]['xi']
    model.update_thresholds()  # nothing new to take over
    assert int(model.threshold.updates) == 1
