"""Tags, scores and maps of an image."""

import numpy as np
import pytest
import torch

from mmwsss.structures import WSSSDataSample


def test_fields():
    sample = WSSSDataSample(metainfo=dict(img_id='a'))
    scores = torch.tensor([0.1, 0.9], dtype=torch.float64, requires_grad=True)
    cams = torch.rand(1, 3, 4, requires_grad=True)
    assert (
        sample.set_gt_tags(np.array([0, 1]))
        .set_pred_scores(scores)
        .set_pred_cams(np.array([1]), cams)
        is sample
    )
    assert (
        sample.gt_tags.dtype == sample.pred_scores.dtype == torch.float32
        and sample.gt_tags.tolist() == [0, 1]
    )
    assert sample.cam_keys == (1,) and type(sample.cam_keys[0]) is int and sample.img_id == 'a'
    assert not sample.pred_scores.requires_grad and not sample.pred_cams.data.requires_grad
    assert 'gt_tags' in sample and 'gt_sem_seg' not in sample


def test_no_maps_and_new_maps():
    sample = WSSSDataSample().set_pred_cams([], torch.zeros(0, 3, 4))
    assert sample.cam_keys == () and sample.pred_cams.data.shape == (0, 3, 4)
    sample.set_pred_cams([0, 2], torch.zeros(2, 5, 6))
    assert sample.cam_keys == (0, 2) and sample.pred_cams.data.shape == (2, 5, 6)


def test_maps_are_planes():
    with pytest.raises(AssertionError):
        WSSSDataSample().set_pred_cams([0], torch.zeros(3))


def test_moves_and_dictionaries():
    sample = (
        WSSSDataSample()
        .set_gt_tags([1, 0])
        .set_pred_cams([0], torch.rand(1, 2, 2))
        .to(torch.float64)
    )
    assert sample.gt_tags.dtype == sample.pred_cams.data.dtype == torch.float64
    assert sample.to_dict()['cam_keys'] == (0,)
