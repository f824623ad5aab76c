"""WSOLMetric against the released evaluators, and the protocol around it."""

import pytest
import torch
from mmengine.structures import PixelData

from mmwsss.evaluation import WSOLMetric
from mmwsss.structures import WSSSDataSample
from mmwsss.utils.io import read_json
from tests.golden_tensors import golden_tensors

from .data import META, evaluate


def samples_of(maps, masks, key=2):
    """Samples of class ``key`` of six; the masks' object label is that of the class."""
    samples = []
    for index, (cam, mask) in enumerate(zip(maps, masks)):
        sample = WSSSDataSample(metainfo={'img_path': f'{index}.jpg'})
        mask = mask.long()
        sample.gt_sem_seg = PixelData(data=torch.where(mask == 1, key + 1, mask)[None])
        tags = torch.zeros(6)
        tags[key] = 1
        samples.append(
            sample.set_gt_tags(tags).set_pred_cams(
                (0, key), torch.stack((torch.rand_like(cam), cam))
            )
        )
    return samples


@pytest.mark.parametrize('interval, name', [(0.001, '001'), (0.01, '01')])
def test_golden(interval, name, tmp_path):
    golden = golden_tensors('wsol')
    maps = golden['scoremaps']  # stretched to [0,1]
    metric = WSOLMetric(interval=interval, out_file=str(tmp_path / 'wsol.json'))
    results = evaluate(metric, samples_of(maps, golden['masks']))
    assert results['wsol/PxAP'] == pytest.approx(float(golden[f'pxap_{name}']), abs=1e-9)
    assert results['wsol/pIoU'] == pytest.approx(float(golden[f'piou_{name}']), abs=1e-9)
    again = evaluate(WSOLMetric(interval=interval), samples_of(4 + 8 * maps, golden['masks']))
    # a value on an edge may change sides
    assert again['wsol/PxAP'] == pytest.approx(results['wsol/PxAP'], abs=0.01)
    assert metric.protocol == {
        'name': 'custom',
        'split': 'val',
        'interval': interval,
        'threshold': results['wsol/best_threshold'],
        'tags': 'ground truth',
        'pooled': 'all pixels',
    }
    file = read_json(tmp_path / 'wsol.json')
    assert file['wsol/pIoU'] == results['wsol/pIoU'] == pytest.approx(max(file['curve']['IoU']))
    assert {len(values) for values in file['curve'].values()} == {len(file['curve']['thresholds'])}
    assert 'PxAP' in metric.table and f'{results["wsol/pIoU"]:.2f}' in metric.table


def test_other_sizes_and_missing_maps():
    mask = torch.zeros(16, 16)
    mask[:, 8:] = 1
    cam = torch.zeros(4, 4)
    cam[:, 2:] = 0.6
    assert evaluate(WSOLMetric(), samples_of([cam], [mask]))['wsol/pIoU'] == 100
    # the class has no map: 0 everywhere
    sample = samples_of([cam], [mask])[0].set_pred_cams((0, 5), torch.rand(2, 4, 4))
    results = evaluate(WSOLMetric(), [sample])
    assert results['wsol/pIoU'] == 50 and results['wsol/PxAP'] == 50


def test_bad_samples():
    sample = samples_of([torch.rand(4, 4)], [torch.zeros(4, 4)])[0]
    with pytest.raises(
        ValueError, match='0.jpg: WSOLMetric expects images of one class, this image has 6'
    ):
        evaluate(WSOLMetric(), [sample.set_gt_tags(torch.ones(6))])
    with pytest.raises(ValueError, match='needs a model that predicts class activation maps'):
        metric = WSOLMetric()
        metric.dataset_meta = META
        metric.process(
            None,
            [
                {
                    key: value
                    for key, value in samples_of([torch.rand(4, 4)], [torch.zeros(4, 4)])[0]
                    .to_dict()
                    .items()
                    if key != 'pred_cams'
                }
            ],
        )
    with pytest.raises(ValueError, match='counted 1 images of 2'):
        evaluate(WSOLMetric(), samples_of([torch.rand(4, 4)], [torch.zeros(4, 4)]), 2)
