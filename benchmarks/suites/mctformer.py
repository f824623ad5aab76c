"""MCTformer+ on DeiT-S: a training step and multi-scale CAMs of one image, against explicit
attention that is kept and returned.
"""

from pathlib import Path

import torch
from mmengine.config import Config

import mmwsss.models  # noqa: F401  registers the components
from mmwsss.structures import WSSSDataSample

from ..textbook import mctformer as textbook
from . import Case
from .training import peaked_network, tagged_images, training_case

CONFIG = Path(__file__).parents[2] / 'configs' / '_base_' / 'models' / 'mctformer_plus_deit-s.py'


def train(device, quick):
    """Forward, losses and backward of two 448 x 448 images with 20 classes: losses, and the
    gradient of the patch embedding.
    """
    model = untrained(device, quick).train()
    plain = textbook.PlainMCTformerPlus(model).to(device)
    images, tags, samples = tagged_images(model, device)
    return training_case(
        model, plain, images, samples, lambda: textbook.losses(plain, images, tags)
    )


def cam(device, quick, dtype='fp32'):
    """CAMs of an image of 500 x 375 pixels with two tags of 20: scales 1, 0.75 and 1.25, each with
    its flip, from uint8 views.
    """
    model = untrained(device, quick, test_cfg=dict(dtype=dtype)).eval()
    plain = textbook.PlainMCTformerPlus(model).to(device)
    size = (60, 80) if quick else (375, 500)
    views = [
        torch.randint(0, 256, (3, *(round(side * scale) for side in size)), dtype=torch.uint8)
        for scale in (1, 0.75, 1.25)
    ]
    tags = torch.zeros(1, 20)
    tags[0, [3, 14]] = 1
    sample = WSSSDataSample(metainfo=dict(ori_shape=size)).set_gt_tags(tags[0])

    def ours():
        return model.test_step(dict(inputs=[[view] for view in views], data_samples=[sample]))[
            0
        ].pred_cams.data

    def plainly():
        mean, std = (
            values.view(1, 3, 1, 1)
            for values in (model.data_preprocessor.mean, model.data_preprocessor.std)
        )
        inputs = [(view.flip(0)[None].to(device).float() - mean) / std for view in views]
        return textbook.multi_scale_cams(plain, inputs, tags.to(device), size)

    return Case(ours, plainly)


def cam_bf16(device, quick):
    """As ``cam``, ours with the network in bfloat16, against the same float32 form."""
    return cam(device, quick, 'bf16')


def cam_batch8(device, quick):
    """Eight images of ``cam`` predicted together, against the same network with one image after
    the other: the gain of a batch alone.
    """
    model = untrained(device, quick).eval()
    size = (60, 80) if quick else (375, 500)
    views = [
        torch.randint(0, 256, (8, 3, *(round(side * scale) for side in size)), dtype=torch.uint8)
        for scale in (1, 0.75, 1.25)
    ]
    samples = []
    for number in range(8):
        tags = torch.zeros(20)
        tags[[number, number + 5]] = 1
        samples.append(WSSSDataSample(metainfo=dict(ori_shape=size)).set_gt_tags(tags))

    def maps(chosen):
        data = dict(inputs=[list(view[chosen]) for view in views], data_samples=samples[chosen])
        return [sample.pred_cams.data for sample in model.test_step(data)]

    return Case(
        lambda: torch.stack(maps(slice(8))),
        lambda: torch.stack([maps(slice(one, one + 1))[0] for one in range(8)]),
    )


def untrained(device, quick, **options):
    """:func:`peaked_network` with some other options."""
    config = Config.fromfile(CONFIG).model
    config.backbone.pop('init_cfg')
    config.test_cfg.update(options.pop('test_cfg', {}))
    config.update(options)
    return peaked_network(config, device, quick)
