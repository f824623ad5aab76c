"""Analysis of attention, layer by layer; whole data sets are tested with the tool."""

import pytest
import torch
from mmengine.structures import PixelData

from mmwsss.apis.layer_analysis import LayerAnalysis
from mmwsss.structures import WSSSDataSample
from tests.models.cams.networks import C, network

NAMES = ('background', *'abcd')


def item(tags, mask=None):
    """One image as a data loader collates it."""
    sample = WSSSDataSample(metainfo=dict(ori_shape=(48, 64), img_shape=(48, 64)))
    sample.set_gt_tags(torch.tensor(tags, dtype=torch.float32))
    if mask is not None:
        sample.gt_sem_seg = PixelData(data=mask[None])
    image = torch.randint(0, 256, (3, 48, 64), dtype=torch.uint8)
    return dict(inputs=[image], data_samples=[sample])


def test_one_image_with_a_mask_and_one_without():
    model = network('MCTformerPlus')
    analysis = LayerAnalysis(model, NAMES)
    mask = torch.zeros(48, 64, dtype=torch.long)
    mask[:24] = 3
    seen = analysis.add(item([0, 0, 1, 0], mask), layers=[0, 3])
    assert seen.keys == [2] and seen.cams.shape == (1, 3, 4) and len(seen.affinity) == 2
    assert 0 <= seen.cams.min() and seen.cams.max() <= 1
    analysis.add(item([1, 0, 0, 1]))
    results = analysis.results()
    assert results['num_images'] == 2 and len(results['layers']) == model.backbone.num_layers
    assert results['foreground_area'] == 0.5  # of the image with a mask
    assert [row['layer'] for row in results['layers']] == [1, 2, 3, 4]
    for row in results['layers']:
        assert 0 <= row['hellinger'] <= 1 and 0 <= row['attended_foreground'] <= 1
        assert 0 <= row['cam_mIoU'] <= 100 and row['entropy_gap'] >= 0
    weights = results['w_hat']
    assert min(weights) == 0 and max(weights) == 1


def test_what_is_refused():
    with pytest.raises(ValueError, match="no patch head, .*'sum'"):
        LayerAnalysis(network('MCTformer'), NAMES, form='sum')
    with pytest.raises(ValueError, match='no image has been analysed'):
        LayerAnalysis(network('MCTformerPlus'), NAMES).results()
    with pytest.raises(ValueError, match='Linear'):
        LayerAnalysis(torch.nn.Linear(1, C), NAMES)
