"""Batches of segmentation networks: the numbers of MMSegmentation."""

import pytest
import torch
from mmengine.structures import PixelData
from mmseg.models import SegDataPreProcessor
from mmseg.models.decode_heads import decode_head
from mmseg.models.losses import accuracy
from mmseg.structures import SegDataSample

from mmwsss.models import SegDataPreprocessor

OPTIONS = dict(mean=[10.0, 20.0, 30.0], std=[2.0, 3.0, 4.0], bgr_to_rgb=True, size=(12, 14))


def batch(*sizes: tuple[int, int]) -> dict:
    samples = []
    for height, width in sizes:
        sample = SegDataSample(metainfo=dict(img_shape=(height, width)))
        sample.gt_sem_seg = PixelData(data=torch.randint(0, 21, (1, height, width)))
        samples.append(sample)
    images = [torch.randint(0, 256, (3, *size), dtype=torch.uint8) for size in sizes]
    return dict(inputs=images, data_samples=samples)


@pytest.mark.parametrize('sizes', [[(10, 14), (10, 14)], [(12, 9), (8, 14)]])
def test_training_batches(sizes: list) -> None:
    data = batch(*sizes)
    ours = SegDataPreprocessor(**OPTIONS)(data, True)
    theirs = SegDataPreProcessor(**OPTIONS)(data, True)
    assert torch.equal(ours['inputs'], theirs['inputs'])
    for one, two in zip(ours['data_samples'], theirs['data_samples']):
        assert torch.equal(one.gt_sem_seg.data, two.gt_sem_seg.data)
        assert one.gt_sem_seg.data.dtype == torch.int64
        assert one.metainfo.keys() == two.metainfo.keys()


def test_test_batches() -> None:
    data = batch((10, 14))
    ours, theirs = (
        kind(**OPTIONS)(data, False) for kind in (SegDataPreprocessor, SegDataPreProcessor)
    )
    assert torch.equal(ours['inputs'], theirs['inputs'])
    assert ours['data_samples'] is data['data_samples']


@pytest.mark.parametrize('ignore_index', [None, 255])
def test_accuracy_that_decode_heads_log(ignore_index: int | None) -> None:
    logits, labels = torch.randn(2, 4, 5, 6), torch.randint(0, 4, (2, 5, 6))
    if ignore_index is not None:
        labels[0, 0] = ignore_index
    ours = decode_head.accuracy(logits, labels, ignore_index=ignore_index)
    assert decode_head.accuracy is not accuracy
    torch.testing.assert_close(ours, accuracy(logits, labels, ignore_index=ignore_index))
