"""Two processes with half of a batch each take the step of one process with the whole batch: every
loss is a mean over images.
"""

import pytest
import torch
from mmengine.model import MMDistributedDataParallel

from tests.distributed import run_distributed
from tests.single_stage_models import build, pictures, samples


def gradients(rank, world_size, seed):
    torch.manual_seed(seed)
    model = build().train()
    images, tags = pictures(4), (torch.rand(4, 5) < 0.5).float()
    tags[1] = 0
    share = slice(rank * 4 // world_size, (rank + 1) * 4 // world_size)
    network = MMDistributedDataParallel(model) if world_size > 1 else model
    loss, _ = model.parse_losses(network(images[share], samples(tags[share]), mode='loss'))
    loss.backward()
    return {
        'loss': loss.detach(),
        **{key: weight.grad for key, weight in model.named_parameters() if weight.requires_grad},
    }


@pytest.mark.dist
def test_two_processes_equal_one(tmp_path):
    both = run_distributed(gradients, 2, tmp_path, 3)
    whole = gradients(0, 1, 3)
    torch.testing.assert_close((both[0].pop('loss') + both[1].pop('loss')) / 2, whole.pop('loss'))
    for key, expected in whole.items():
        torch.testing.assert_close(both[0][key], both[1][key], msg=key)
        torch.testing.assert_close(both[0][key], expected, rtol=1e-3, atol=1e-6, msg=key)
