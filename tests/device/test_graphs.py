"""Steps that a CUDA graph can record once and replay for every batch.

A graph repeats the same kernels with the same numbers. So forward and backward must wait for
nothing, send nothing, have no shape that depends on values, and call the same operations with the
same numbers whatever the tags, the boxes and the random numbers of a batch are. AReAM, MCC, ToCo
and CoSA are not among them: they compute maps of the classes of a batch only, whose number is a
shape.
"""

import numpy as np
import pytest
import torch
from mmengine.model import BaseModel

from . import small_models
from .emulated_device import DeviceTensor, EmulatedDevice, emulated_device  # noqa: F401
from .small_models import small_model, training_batch

SAFE = (
    'mctformer_v1_voc',
    'mctformer_v2_voc',
    'mctformer_plus_voc',
    'mctformer_v2_acr_voc',
    pytest.param('acr_voc', marks=pytest.mark.slow),
    'acr_deit-s_voc',
    'deeplabv1_r38_voc_pseudo',
    'deeplabv2_r101_voc_pseudo',
    'upernet_swin-b_voc_pseudo',
    pytest.param('irn_voc', marks=pytest.mark.slow),
    'psa_voc',
)
TAGS = (((3, 14), (7,)), ((5,), (1, 2, 9)))


def calls_of_a_step(device: EmulatedDevice, model: BaseModel, batch: dict, seed: int) -> list:
    """Operations of forward and backward; the labels of the batch are on the device before."""
    torch.manual_seed(seed)
    np.random.seed(seed)
    if hasattr(model, 'update_schedule'):
        model.update_schedule(epoch=20, iteration=15000)
    data = model.data_preprocessor(batch, True)
    for sample in data['data_samples']:
        for field in ('gt_tags', 'affinity_label'):
            if field in sample:
                value = sample.get(field)
                if field == 'gt_tags':
                    sample.set_gt_tags(DeviceTensor(value))
                else:
                    value.data = DeviceTensor(value.data)
    device.clear()
    model.zero_grad()
    losses, _ = model.parse_losses(model(**data, mode='loss'))
    losses.backward()
    return list(device.calls)


def steps(device: EmulatedDevice, name: str, monkeypatch: pytest.MonkeyPatch) -> list[list]:
    """Calls of two steps with other tags and random numbers, after one that fills caches."""
    model = device.put(small_model(name)).train()
    calls = []
    for seed, tags in enumerate((TAGS[0], *TAGS)):
        monkeypatch.setattr(small_models, 'TAGS', tags)
        calls.append(calls_of_a_step(device, model, training_batch(name), seed))
    return calls[1:]


@pytest.mark.parametrize('name', SAFE)
def test_a_step_can_be_replayed(
    name: str,
    emulated_device: EmulatedDevice,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first, second = steps(emulated_device, name, monkeypatch)
    events = emulated_device.report('wait', 'mix', 'upload')
    assert not events, events
    different = [pair for pair in zip(first, second) if pair[0] != pair[1]]
    assert len(first) == len(second) > 100 and not different, different[:3]
