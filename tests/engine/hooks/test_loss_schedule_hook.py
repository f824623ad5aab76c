"""Epochs and iterations as the algorithm is told them, also in a resumed run."""

import torch
from mmengine.model import BaseModel
from mmengine.runner import Runner

from mmwsss.engine.hooks import LossScheduleHook


class Listener(BaseModel):
    """Learns nothing, remembers what it was told before each loss."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.told, self.seen = None, []

    def update_schedule(self, *, epoch, iteration):
        self.told = epoch, iteration

    def forward(self, inputs, data_samples=None, mode='loss'):
        self.seen.append(self.told)
        return dict(loss=self.weight.sum())


class Deaf(Listener):
    """Has no such method."""

    update_schedule = property()


def train(model, folder, epochs, resume=False):
    loader = torch.utils.data.DataLoader([dict(inputs=torch.zeros(1))] * 2)
    runner = Runner(
        model,
        str(folder),
        train_dataloader=loader,
        train_cfg=dict(by_epoch=True, max_epochs=epochs),
        resume=resume,
        log_level='ERROR',
        optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.0)),
        custom_hooks=[LossScheduleHook()],
        experiment_name=f'{folder.name}_{resume}',
        default_scope='mmwsss',
    )
    runner.train()
    return model.seen


def test_an_uninterrupted_and_a_resumed_run(tmp_path):
    assert train(Listener(), tmp_path, 1) == [(0, 0), (0, 1)]
    assert train(Listener(), tmp_path, 2, resume=True) == [(1, 2), (1, 3)]


def test_models_without_the_method(tmp_path):
    assert train(Deaf(), tmp_path, 1) == [None, None]
