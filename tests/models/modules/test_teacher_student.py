"""Moving averages of parts of a model."""

import copy

import pytest
import torch
from torch import nn

from mmwsss.models.modules import TeacherStudent
from tests.device.emulated_device import (
    EmulatedDevice,
    emulated_device,  # noqa: F401  the fixture
)


def model(momentum=0.9):
    """A student with running statistics, and its teacher."""
    owner = nn.Module()
    owner.student = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
    owner.parts = nn.ModuleDict(dict(teacher=copy.deepcopy(owner.student)))
    owner.average = TeacherStudent(owner, {'parts.teacher': 'student'}, momentum)
    return owner


def test_average_of_all_parameters():
    owner = model()
    before = copy.deepcopy(owner.parts['teacher'].state_dict())
    owner.student(torch.randn(8, 3)).sum().backward()
    with torch.no_grad():
        for weight in owner.student.parameters():
            weight.add_(torch.randn_like(weight))
    owner.average.update()
    student = owner.student.state_dict()
    for name, value in owner.parts['teacher'].state_dict().items():
        if '1.running' in name or 'num_batches' in name:
            assert torch.equal(value, student[name]) and not torch.equal(value, before[name])
        else:
            torch.testing.assert_close(value, 0.9 * before[name] + 0.1 * student[name])
    owner.average.update(0)
    assert torch.equal(owner.parts['teacher'][0].weight, owner.student[0].weight)


def test_teacher_has_no_gradient_and_begins_as_a_copy():
    owner = model()
    assert not any(weight.requires_grad for weight in owner.parts.parameters())
    nn.init.ones_(owner.student[0].weight)
    owner.average.reset()
    assert (owner.parts['teacher'][0].weight == 1).all()


@pytest.mark.parametrize('prefix', ['', 'network.'])
def test_weights_of_the_student_alone(prefix):
    """Also where the owner is a part of another module."""
    owner = model()
    state = {
        f'{prefix}student.{key}': 2 * value for key, value in owner.student.state_dict().items()
    }
    target = owner
    if prefix:
        target = nn.Module()
        target.network = owner
    keys = target.load_state_dict(state, strict=False)
    assert not keys.missing_keys
    assert torch.equal(owner.parts['teacher'][0].weight, owner.student[0].weight)


def test_weights_of_both_stay_apart():
    owner, other = model(), model()
    nn.init.ones_(owner.parts['teacher'][0].weight)
    other.load_state_dict(owner.state_dict())
    assert (other.parts['teacher'][0].weight == 1).all()
    assert torch.equal(other.student[0].weight, owner.student[0].weight)


def test_a_copy_of_the_model_averages_its_own_parts():
    owner = model(0.5)
    other = copy.deepcopy(owner)
    nn.init.zeros_(other.student[0].weight)
    before = owner.parts['teacher'][0].weight.clone()
    other.average.update()
    torch.testing.assert_close(other.parts['teacher'][0].weight, before / 2)
    assert torch.equal(owner.parts['teacher'][0].weight, before)


@pytest.mark.parametrize('momentum', [-0.1, 1.1])
def test_momentum_outside_the_unit_interval(momentum):
    with pytest.raises(ValueError, match='momentum must be between 0 and 1'):
        model(momentum)


def test_nothing_is_asked_of_the_device(emulated_device: EmulatedDevice) -> None:  # noqa: F811
    owner = emulated_device.put(model())
    for _ in range(3):
        owner.average.update()
    assert not emulated_device.of('wait')
