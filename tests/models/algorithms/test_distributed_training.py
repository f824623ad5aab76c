"""Two processes with half of a batch each take the step of one process with the whole batch."""

import pytest
import torch
from mmengine.model import MMDistributedDataParallel

from tests.distributed import run_distributed
from tests.mctformer_golden import MODEL_ARCH, build, samples_with

VARIANTS = dict(
    plus=dict(),
    v2=dict(type='mmwsss.MCTformer', patch_head=dict(pooling='gap')),
    v1=dict(type='mmwsss.MCTformer'),
    aream=dict(type='mmwsss.AReAM', contrast_weight=1.0),
)


def gradients(rank, world_size, seed):
    """Loss, and gradients that DDP averages over the processes; it fails if any parameter is left
    without one.
    """
    results = {}
    for name, options in VARIANTS.items():
        torch.manual_seed(seed)
        model = build(5, MODEL_ARCH, **options).train()
        images, tags = torch.randn(4, 3, 64, 48), (torch.rand(4, 5) < 0.5).float()
        tags[1] = 0
        share = slice(rank * 4 // world_size, (rank + 1) * 4 // world_size)
        network = MMDistributedDataParallel(model) if world_size > 1 else model
        for _ in range(2):  # DDP notices a parameter without a gradient in the pass after it
            model.zero_grad()
            loss, _ = model.parse_losses(
                network(images[share], samples_with(tags[share]), mode='loss')
            )
            loss.backward()
        results[f'{name}/loss'] = loss.detach()
        results.update(
            {f'{name}/{key}': parameter.grad for key, parameter in model.named_parameters()}
        )
    return results


@pytest.mark.dist
def test_two_processes_equal_one(tmp_path):
    both = run_distributed(gradients, 2, tmp_path, 3)
    whole = gradients(0, 1, 3)
    assert set(whole) == set(both[0]) == set(both[1])
    for key, expected in whole.items():
        if key.endswith('/loss'):
            torch.testing.assert_close((both[0][key] + both[1][key]) / 2, expected, msg=key)
        else:
            assert torch.equal(both[0][key], both[1][key]) and expected.abs().max() > 0, key
            torch.testing.assert_close(both[0][key], expected, rtol=1e-4, atol=1e-6, msg=key)
