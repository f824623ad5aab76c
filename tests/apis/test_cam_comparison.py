"""Names, metric, cost and pictures of compared CAM methods, without a trained network."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.structures import PixelData
from PIL import Image

from mmwsss.apis.cam_comparison import Cost, collect, method_of, metric_of, summarize
from mmwsss.structures import WSSSDataSample

CLASSES = ('background', 'cat', 'dog')


def test_names():
    """ACR's maps are those of its method without refinement, refined."""
    assert method_of('config') is None
    assert method_of('acr') == method_of('acr_star+aff')
    assert method_of('acr')['refine'] and not method_of('acr_star')['refine']
    assert method_of('cam')['cam']['type'] == 'mmwsss.CAM'
    for name in ('camm', 'cam+crf', 'cam+'):
        with pytest.raises(ValueError, match=r'--methods: unknown .*config, acr, .*\+aff'):
            method_of(name)


@pytest.mark.parametrize('number', [100, 3])
def test_metric(number):
    """Of the config, with its thresholds, if there is one; nothing is written."""
    config = Config(dict(test_evaluator=[dict(type='mmwsss.TagMetric')]))
    if number == 3:
        config.test_evaluator.append(
            dict(type='mmwsss.CAMMetric', thresholds=[0.1, 0.2, 0.3], out_file='a.json')
        )
    metric = metric_of(config, SimpleNamespace(metainfo=dict(classes=CLASSES)))
    assert len(metric.thresholds) == number and metric.out_file is None
    assert metric.classes == CLASSES


def sample_of(path):
    """An image whose left half is a cat, with the exact map."""
    Image.fromarray(np.zeros((4, 6, 3), np.uint8)).save(path)
    mask = torch.zeros(1, 4, 6, dtype=torch.long)
    mask[..., :3] = 1
    sample = WSSSDataSample(metainfo=dict(img_path=str(path), img_id='a', ori_shape=(4, 6)))
    sample.gt_sem_seg = PixelData(data=mask)
    sample.pred_cams = PixelData(data=mask.float())
    sample.cam_keys = torch.tensor([0])
    return sample


def test_quality_and_cost(tmp_path):
    metric = metric_of(Config(), SimpleNamespace(metainfo=dict(classes=CLASSES)))
    metric.process(None, [sample_of(tmp_path / 'a.png').to_dict()])
    found = summarize(metric, 1, [Cost(0.5, 1, 20.0), Cost(0.0, 0, 30.0)])
    assert found['images_per_s'] == 2 and found['MiB'] == 30
    assert found['mIoU'] == pytest.approx(200 / 3)  # the dog is absent and counts as 0
    assert found['FP'] == found['FN'] == 0


def test_rows_of_the_picture(tmp_path):
    """A row for an image and class, a column for a method; no new row without room."""
    sample, pictures = sample_of(tmp_path / 'a.png'), {}
    for name in ('cam', 'grad_cam'):
        collect(sample, 0, CLASSES, pictures, 1, name)
        collect(sample, 1, CLASSES, pictures, 1, name)
    assert list(pictures) == [(0, 0)]
    row = pictures[0, 0]
    assert row['id'] == 'a: cat' and row['image'].shape == (4, 6, 3) and row['gt'].shape == (4, 6)
    assert [name for name, _ in row['cams']] == ['cam', 'grad_cam']
