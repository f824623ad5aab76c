"""What the affinity networks share: maps of the trunk, prediction, modes."""

import pytest
import torch
from mmengine.structures import PixelData
from torch import nn

from mmwsss.models.affinity import AffinityPropagator
from mmwsss.registry import MODELS
from mmwsss.structures import WSSSDataSample


@MODELS.register_module(force=True)
class ThreeMaps(nn.Module):
    """A trunk that says what it returns."""

    out_channels, out_strides = (2, 4, 6), (4, 8, 16)

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(()))

    def forward(self, x):
        pooled = [nn.functional.avg_pool2d(x, stride) for stride in self.out_strides]
        return [
            maps.repeat(1, 2, 1, 1)[:, :width] for maps, width in zip(pooled, self.out_channels)
        ]


class Doubling(AffinityPropagator):
    """Scores are the background and the maps twice as strong."""

    def features(self, inputs):
        return self.feature_maps(inputs)[0]

    def loss(self, inputs, data_samples):
        return dict(loss=inputs.sum())

    def propagate(self, image, cams, *, background=0.5):
        image, cams = self.prepare(image, cams)
        plane = cams.new_full((1, *cams.shape[1:]), background)
        return torch.cat([plane, 2 * cams])


def build(**options):
    return Doubling(dict(type='mmwsss.ThreeMaps'), **options)


def test_maps_of_the_trunk():
    model = build(out_indices=(2, 0))
    assert model.feature_channels == (6, 2) and model.feature_strides == (16, 4)
    shapes = [maps.shape for maps in model.feature_maps(torch.rand(1, 3, 32, 48))]
    assert shapes == [(1, 6, 2, 3), (1, 2, 8, 12)]
    assert model(torch.rand(1, 3, 32, 32)).shape == (1, 6, 2, 2)
    with pytest.raises(ValueError, match='differ in length'):
        build(feature_channels=(1, 2), feature_strides=(4,))


def test_labels_of_a_prediction():
    """Class ids of the data set; padding of the batch is cut off."""
    sample = WSSSDataSample(metainfo=dict(img_shape=(2, 3), cam_keys=(4, 9)))
    cams = torch.tensor([[[0.9, 0.1, 0.1], [0.1, 0.4, 0.1]], [[0.1, 0.1, 0.3], [0.1, 0.1, 0.1]]])
    sample.set_data(dict(pred_cams=PixelData(data=cams)))
    (result,) = build(test_cfg=dict(background=0.55))(
        torch.rand(1, 3, 8, 8), [sample], mode='predict'
    )
    assert result.pred_sem_seg.data.tolist() == [[[5, 0, 10], [0, 5, 0]]]
    torch.testing.assert_close(result.walk_scores.data[1:], 2 * cams)


def test_modes():
    model = build()
    assert float(model(torch.ones(1, 3, 16, 16), [], mode='loss')['loss']) == 768
    with pytest.raises(ValueError, match="mode must be 'loss', 'predict' or 'tensor'"):
        model(torch.ones(1, 3, 16, 16), mode='x')
    with pytest.raises(ValueError, match='must have one size'):
        model.propagate(torch.ones(3, 4, 4), torch.ones(1, 4, 5))
    model.train()
    model.backbone.eval()
    with model.inference():
        assert not model.training and not torch.is_grad_enabled()
    assert model.training and not model.backbone.training
