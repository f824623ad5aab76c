"""No method waits for the device: not in a training step, and at most once per predicted batch."""

import pytest
import torch

from .emulated_device import EmulatedDevice, emulated_device  # noqa: F401  the fixture
from .small_models import (
    AFFINITY_CONFIGS,
    SEG_CONFIGS,
    TAG_CONFIGS,
    prediction_batch,
    small_model,
    training_batch,
)


@pytest.mark.parametrize(
    'name', [*TAG_CONFIGS, 'cosa_dinov3-b_voc', *AFFINITY_CONFIGS, *SEG_CONFIGS]
)
def test_training_step_does_not_wait(name: str, emulated_device: EmulatedDevice) -> None:  # noqa: F811
    model = emulated_device.put(small_model(name)).train()
    batch = training_batch(name)
    for step in range(2):  # what is made once, such as index tables, is made in the first step
        emulated_device.clear()
        if hasattr(model, 'update_schedule'):
            model.update_schedule(epoch=20, iteration=15000 + step)
        data = model.data_preprocessor(batch, True)
        losses, log = model.parse_losses(model(**data, mode='loss'))
        losses.backward()
        if hasattr(model, 'update_teacher'):
            model.update_teacher()
        mixes = emulated_device.report('mix')
        assert not mixes, mixes
    waits = emulated_device.report('wait')
    assert not waits, waits
    values = {key: float(value.host) for key, value in log.items()}
    assert all(torch.isfinite(torch.tensor(value)) for value in values.values()), values
    assert any(value != 0 for value in values.values())


@pytest.mark.parametrize('name', [*TAG_CONFIGS, *SEG_CONFIGS])
def test_prediction_waits_once_per_batch(name: str, emulated_device: EmulatedDevice) -> None:  # noqa: F811
    model = emulated_device.put(small_model(name)).eval()
    for _ in range(2):
        emulated_device.clear()
        with torch.no_grad():
            samples = model.test_step(prediction_batch(name, batch=2))
        mixes = emulated_device.report('mix')
        assert not mixes, mixes
    assert len(samples) == 2
    assert len(emulated_device.of('wait')) <= 1, emulated_device.report('wait')
