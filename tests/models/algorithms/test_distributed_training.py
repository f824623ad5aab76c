"""Two processes with half of a batch each take the step of one process with the whole batch: the
losses of the multi-stage methods, and the first step of every method as its toy config has it.
"""

import random
from functools import partial

import numpy as np
import pytest
import torch
from mmengine.dataset import pseudo_collate
from mmengine.model import MMDistributedDataParallel
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample
from torch.nn.modules.batchnorm import _BatchNorm

from mmwsss.apis import load_config
from mmwsss.registry import DATASETS, MODELS
from mmwsss.structures import WSSSDataSample
from tests import single_stage_models
from tests.distributed import run_distributed
from tests.mctformer_golden import MODEL_ARCH, build, samples_with
from tests.tools.program import CONFIGS

VARIANTS = dict(
    plus=dict(),
    v2=dict(type='mmwsss.MCTformer', patch_head=dict(pooling='gap')),
    v1=dict(type='mmwsss.MCTformer'),
    aream=dict(type='mmwsss.AReAM', contrast_weight=1.0),
)
CLASSIFIERS = (
    'mctformer_plus_toy',
    'aream_toy',
    'acr_toy',
    'mcc_toy',
    'cosa_toy',
    'cosa-paper_toy',
    'msrc21/toco_msrc21',
)
SEGMENTATION = 'deeplabv3plus_r18_toy_pseudo'
AFFINITY = ('psa_toy', 'irn_toy')
SINGLE_STAGE = 'single_stage'
BATCH = 4
IMAGES = 2  # of a toy config


def variant_loss(options):
    """Model, and its loss of a part of the batch."""
    model = build(5, MODEL_ARCH, **options)
    images, tags = torch.randn(BATCH, 3, 64, 48), (torch.rand(BATCH, 5) < 0.5).float()
    tags[1] = 0

    def loss(network, share):
        return network(images[share], samples_with(tags[share]), mode='loss')

    return model, loss


def single_stage_loss():
    """The same of the single-stage network that others build on."""
    model = single_stage_models.build()
    images, tags = single_stage_models.pictures(BATCH), (torch.rand(BATCH, 5) < 0.5).float()
    tags[1] = 0

    def loss(network, share):
        return network(images[share], single_stage_models.samples(tags[share]), mode='loss')

    return model, loss


def config_loss(name, toy_root):
    """The same of a toy config and its data pipeline, with a seed for each image."""
    options = {'data_root': str(toy_root), 'train_dataloader.dataset.serialize_data': False}
    if name.startswith('msrc21/'):
        options['model.num_classes'] = 8
    config = load_config(CONFIGS / f'{name}.py', cfg_options=options)
    model = MODELS.build(config.model)
    model.init_weights()
    dataset = DATASETS.build(config.train_dataloader.dataset)
    items = []
    for index in range(IMAGES):
        random.seed(index)
        np.random.seed(index)
        torch.manual_seed(index)
        items.append(dataset[index])

    def loss(network, share):
        data = model.data_preprocessor(pseudo_collate(items[share]), True)
        return network(**data, mode='loss')

    return model, loss


def segmentation_loss():
    """The same of a network on pseudo masks, of which one image is mostly ignored."""
    config = load_config(CONFIGS / f'{SEGMENTATION}.py')
    config.model.backbone.update(base_channels=8, stem_channels=8, init_cfg=None)
    config.model.decode_head.update(in_channels=64, c1_in_channels=8, channels=16, c1_channels=8)
    config.model.decode_head.dropout_ratio = 0
    model = MODELS.build(config.model)
    images = torch.randn(BATCH, 3, 48, 48)
    labels = torch.randint(0, 9, (BATCH, 1, 48, 48))
    labels[0, :, 8:] = 255

    def loss(network, share):
        samples = [SegDataSample(gt_sem_seg=PixelData(data=label)) for label in labels[share]]
        for sample in samples:
            sample.set_metainfo(dict(img_shape=(48, 48)))
        return network(images[share], samples, mode='loss')

    return model, loss


def affinity_loss(name):
    """The same of an affinity network, whose labels are drawn."""
    config = load_config(CONFIGS / f'{name}.py')
    model = MODELS.build(config.model)
    model.init_weights()
    images = torch.randn(BATCH, 3, 48, 48)
    labels = torch.randint(0, 3, (BATCH, 1, 12, 12))

    def loss(network, share):
        samples = []
        for label in labels[share]:
            samples.append(WSSSDataSample())
            samples[-1].affinity_label = PixelData(data=label)
        return network(images[share], samples, mode='loss')

    return model, loss


def makers(toy_root):
    """Cases by name."""
    made = {name: partial(variant_loss, options) for name, options in VARIANTS.items()}
    made.update({name: partial(config_loss, name, toy_root) for name in CLASSIFIERS})
    made.update({name: partial(affinity_loss, name) for name in AFFINITY})
    made[SINGLE_STAGE] = single_stage_loss
    made[SEGMENTATION] = segmentation_loss
    return made


def gradients(model, loss, share, passes, distributed):
    """Loss and gradients; those of parameters without one are left out."""
    network = model
    if distributed:
        network = MMDistributedDataParallel(model, find_unused_parameters=passes == 1)
    for _ in range(passes):
        model.zero_grad()
        value, _ = model.parse_losses(loss(network, share))
        value.backward()
    weights = {
        name: weight.grad.clone()
        for name, weight in model.named_parameters()
        if weight.grad is not None
    }
    return value.detach(), weights


def compare(rank, world_size, toy_root):
    """Loss of a part of the batch and the gradients that DDP averages; of the first process also
    the largest difference, over its tolerance, to the gradients of the whole batch, its loss, and
    how many gradients are not 0.
    """
    results = {}
    for name, make in makers(toy_root).items():
        torch.manual_seed(3)
        model, loss = make()
        model.train()
        for module in model.modules():
            if isinstance(module, _BatchNorm):  # its statistics belong to a process
                module.eval()
        # DDP notices a parameter without a gradient in the pass after it
        passes = 2 if name in VARIANTS else 1
        size = IMAGES if name in CLASSIFIERS else BATCH
        share = slice(rank * size // world_size, (rank + 1) * size // world_size)
        if rank == 0 or name in (*AFFINITY, SEGMENTATION):  # their losses exchange counts
            value, alone = gradients(model, loss, slice(size), passes, False)
        part, shared = gradients(model, loss, share, passes, True)
        results[f'{name}/loss'] = part
        results[f'{name}/shared'] = torch.cat([grad.flatten() for grad in shared.values()])
        if rank == 0:
            excess = max(
                float(((shared[key] - grad).abs() / (1e-6 + 1e-4 * grad.abs())).max())
                for key, grad in alone.items()
            )
            moved = sum(bool(grad.any()) for grad in alone.values())
            results[name] = torch.tensor([excess, float(value), moved])
    return results


@pytest.mark.dist
def test_two_processes_equal_one(toy_root, tmp_path):
    one, two = run_distributed(compare, 2, tmp_path, str(toy_root))
    for name in makers(toy_root):
        excess, value, moved = one[name].tolist()
        assert excess <= 1 and moved > 5, (name, excess, moved)
        parts = float(one[f'{name}/loss'] + two[f'{name}/loss']) / 2
        assert parts == pytest.approx(value, rel=1e-5), name
        assert torch.equal(one[f'{name}/shared'], two[f'{name}/shared']), name
