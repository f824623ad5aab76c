"""Label maps from activation maps."""

import pytest
import torch

from mmwsss.functional.par import pixel_adaptive_refinement
from mmwsss.functional.pseudo_labels import box_mask, cam_to_label, labels_eq16, labels_two_pass
from tests.golden_tensors import golden_tensors


def test_cam_to_label_of_mcc():
    data = golden_tensors('pseudo_labels', 'mcc/')
    cams, tags, boxes = data['cam'], data['cls_label'], data['img_box']
    assert torch.equal(cam_to_label(cams, tags), data['label_hard'])
    assert torch.equal(
        cam_to_label(cams, tags, high=0.7, low=0.25, boxes=boxes), data['label_ignore_mid_box']
    )
    assert torch.equal(cam_to_label(cams, tags, boxes=boxes), data['label_box_only'])
    assert torch.equal(
        cam_to_label(cams, tags, high=0.7, low=0.25, boxes=data['img_box_448']),
        data['label_ignore_mid_box_unscaled'],
    )


def test_cam_to_label_of_cosa():
    data = golden_tensors('pseudo_labels', 'cosa/')
    assert torch.equal(
        cam_to_label(data['cv_cam'], data['cv_label'], 0.5), data['c2l_label_thr0.5']
    )


def test_refined_labels_of_mcc():
    data = golden_tensors('pseudo_labels', 'refine/')
    arguments = data['img'], data['cams'], data['cls_label'], 0.7, 0.25
    assert torch.equal(
        labels_two_pass(*arguments, boxes=data['img_box'], par=pixel_adaptive_refinement),
        data['label'].long(),
    )
    assert torch.equal(
        labels_two_pass(*arguments, boxes=data['img_box']), data['label_no_par'].long()
    )


@pytest.mark.parametrize('case', 'abcd')
def test_cam2mask_of_cosa(case):
    data = golden_tensors('pseudo_labels', 'cosa/')
    high, low, downscale = data[f'c2m_{case}_par'].tolist()
    cams, tags, boxes = (
        (data['c2m_d_cam'], data['c2m_d_label'], data['c2m_d_box'])
        if case == 'd'
        else (data['cv_cam'], data['cv_label'], data['c2m_box'])
    )
    labels = labels_two_pass(None, cams, tags, high, low, boxes=boxes, downscale=int(downscale))
    assert torch.equal(labels, data[f'c2m_{case}_mask'].long())


def test_both_rules_of_aream():
    data = golden_tensors('pseudo_labels', 'aream/')
    tags = torch.ones(1, 2)
    assert torch.equal(labels_eq16(data['refined'][None], tags)[0], data['seg_eq16'])
    labels = labels_two_pass(
        data['image'][None], data['mask'][None], tags, par=pixel_adaptive_refinement, downscale=1
    )
    assert torch.equal(labels[0], data['seg_two_pass'])
    data = golden_tensors('pseudo_labels', 'eq16/')
    assert torch.equal(labels_eq16(data['score'], data['tags']), data['seg'])


def test_two_pass_without_refinement_is_two_thresholds():
    cams, tags = torch.rand(4, 6, 9, 7), (torch.rand(4, 6) > 0.5).float()
    labels = labels_two_pass(None, cams, tags, 0.7, 0.25, downscale=0)
    assert torch.equal(labels, cam_to_label(cams, tags, 0.0, high=0.7, low=0.25))


def test_two_pass_calls_par_once_with_present_classes_only():
    calls = []

    def par(images, masks):
        calls.append((images.shape, masks.shape))
        return masks

    tags = torch.zeros(3, 20)
    tags[0, [2, 7]] = tags[1, 4] = 1
    labels_two_pass(torch.rand(3, 3, 20, 30), torch.rand(3, 20, 20, 30), tags, par=par)
    assert calls == [((3, 3, 10, 15), (3, 6, 10, 15))]


def test_images_without_tags_are_background():
    cams, tags = torch.rand(2, 3, 8, 8), torch.zeros(2, 3)
    for labels in (
        labels_two_pass(torch.rand(2, 3, 8, 8), cams, tags, par=pixel_adaptive_refinement),
        labels_eq16(cams, tags),
        cam_to_label(cams, tags),
        cam_to_label(cams, tags, high=0.7, low=0.25),
    ):
        assert labels.dtype == torch.int64 and not labels.any()


def test_ties():
    """Background wins where a map equals the threshold; Eq. 16 is strict on both sides."""
    cams = torch.tensor([0.25, 0.5, 0.7, 0.8]).view(1, 1, 2, 2)
    one = torch.ones(1, 1)
    assert cam_to_label(cams, one, 0.5).flatten().tolist() == [0, 0, 1, 1]
    assert cam_to_label(cams, one, 0.5, high=0.7, low=0.25).flatten().tolist() == [0, 255, 255, 1]
    assert labels_eq16(cams, one).flatten().tolist() == [255, 255, 255, 1]
    assert labels_two_pass(None, cams, one, downscale=1).flatten().tolist() == [0, 255, 255, 1]
    twins = torch.full((1, 2, 1, 1), 0.9)
    assert (
        cam_to_label(twins, torch.ones(1, 2)).item()
        == labels_eq16(twins, torch.ones(1, 2)).item()
        == 1
    )


def test_boxes():
    boxes = torch.tensor([[1, 3, 0, 2], [0, 0, 0, 0]], dtype=torch.int16)
    inside = box_mask(boxes, (3, 4))
    assert inside.shape == (2, 3, 4) and inside[0, 1:3, :2].all() and inside.sum() == 4
    labels = labels_eq16(torch.ones(2, 1, 3, 4), torch.ones(2, 1), boxes=boxes)
    assert torch.equal(labels, torch.where(inside, 1, 255))


def test_wrong_arguments():
    cams, tags = torch.rand(1, 2, 3, 3), torch.ones(1, 2)
    with pytest.raises(ValueError, match='belong together'):
        cam_to_label(cams, tags, high=0.7)
    with pytest.raises(ValueError, match='must not exceed'):
        labels_eq16(cams, tags, low=0.8, high=0.7)
