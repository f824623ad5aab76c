"""Normalisation of training batches and of views."""

import numpy as np
import pytest
import torch
from mmengine.dataset import pseudo_collate

from mmwsss.datasets.transforms import MultiScaleViews, PackTagInputs
from mmwsss.models import ViewsDataPreprocessor
from mmwsss.structures import WSSSDataSample

MEAN, STD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)


def picture(height=6, width=8):
    return torch.randint(0, 256, (3, height, width), dtype=torch.uint8)


def expected(image):
    """RGB, ImageNet statistics."""
    return torch.stack(
        [(image[2 - channel].float() - MEAN[channel]) / STD[channel] for channel in range(3)]
    )


@pytest.mark.parametrize('training', [True, False])
def test_images_of_one_size(training):
    images, samples = (
        [picture(), picture()],
        [WSSSDataSample(metainfo=dict(img_id=name)) for name in 'ab'],
    )
    result = ViewsDataPreprocessor()(dict(inputs=list(images), data_samples=samples), training)
    torch.testing.assert_close(result['inputs'], torch.stack([expected(image) for image in images]))
    assert [sample.img_id for sample in result['data_samples']] == ['a', 'b']


def test_images_of_several_sizes():
    images = [picture(6, 8), picture(5, 9)]
    result = ViewsDataPreprocessor()(dict(inputs=list(images), data_samples=[None, None]))['inputs']
    for (view,), image in zip(result, images):
        torch.testing.assert_close(view, expected(image)[None])
    with pytest.raises(ValueError, match='one size, got 8x6, 9x5'):
        ViewsDataPreprocessor()(dict(inputs=list(images), data_samples=[None, None]), training=True)


@pytest.mark.parametrize('sizes', [[(6, 8)], [(6, 8), (6, 8)], [(6, 8), (10, 12), (6, 8)]])
@pytest.mark.parametrize('scales', [(1.0,), (1.0, 0.5), (1.0, 1.0, 1.0)])
def test_collated_views(sizes, scales):
    items, images = [], []
    for height, width in sizes:
        images.append(np.random.default_rng(height).integers(0, 256, (height, width, 3), np.uint8))
        results = MultiScaleViews(scales).transform(dict(img=images[-1], gt_tags=[0], num_tags=2))
        items.append(PackTagInputs().transform(results))
    result = ViewsDataPreprocessor()(pseudo_collate(items))
    assert len(result['inputs']) == len(sizes) == len(result['data_samples'])
    for views, image, (height, width) in zip(result['inputs'], images, sizes):
        assert [view.shape for view in views] == [
            (1, 3, round(height * scale), round(width * scale)) for scale in scales
        ]
        torch.testing.assert_close(
            views[0], expected(torch.from_numpy(image.transpose(2, 0, 1)))[None]
        )


def test_rgb_input():
    image = picture()
    result = ViewsDataPreprocessor((0, 0, 0), (1, 1, 1), bgr_to_rgb=False)(
        dict(inputs=[image], data_samples=[None])
    )
    assert torch.equal(result['inputs'], image[None].float())
    result = ViewsDataPreprocessor((0, 0, 0), (1, 1, 1), bgr_to_rgb=False)(
        dict(inputs=[[image]], data_samples=[None])
    )
    assert torch.equal(result['inputs'][0][0], image[None].float())
