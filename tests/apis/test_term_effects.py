"""Numbers of the losses' effects on networks whose answers are known."""

import pytest
import torch
from mmengine.structures import PixelData

from mmwsss.apis.term_effects import TermEffects
from mmwsss.models.segmentors import MSCSegmentor
from tests.single_stage_models import SIDE, build, pictures, samples


def data(mask=None):
    sample = samples([[1, 0, 0, 1, 0]])[0]
    mask = torch.randint(0, 6, (1, SIDE, SIDE)) if mask is None else mask
    sample.gt_sem_seg = PixelData(data=mask)
    return dict(inputs=[[pictures(1)[0]]], data_samples=[sample])


def effects_of(model, *items):
    effects = TermEffects(model.eval())
    for item in items:
        effects.add(item)
    return effects.results()


def test_a_symmetric_network_is_consistent():
    """Without positions and with symmetric patches, the attention of the mirrored image is the
    mirrored attention.
    """
    torch.manual_seed(0)
    model = build('SingleStage')
    backbone = model.backbone
    torch.nn.init.zeros_(backbone.pos_embed)
    weight = backbone.patch_embed.projection.weight.data
    weight.copy_((weight + weight.flip(-1)) / 2)
    found = effects_of(model, data())
    assert found['consistency/activation'] < 1e-3 and found['consistency/affinity'] < 1e-3
    torch.nn.init.normal_(weight, std=0.1)
    other = effects_of(model, data())
    assert other['consistency/affinity'] > 100 * found['consistency/affinity']


def test_similarity_of_tokens():
    torch.manual_seed(0)
    model = build('SingleStage').eval()
    item = data()
    found = effects_of(model, item)
    with torch.no_grad():
        view = model.data_preprocessor(item, False)['inputs'][0][0]
        tokens = model.backbone(view).patch_map[0].flatten(1).T
    labels = item['data_samples'][0].gt_sem_seg.data[0, 4::8, 4::8].flatten()
    sums = {True: [], False: []}
    for first in range(len(tokens)):
        for second in range(first):
            cosine = torch.cosine_similarity(tokens[first], tokens[second], dim=0).abs()
            sums[bool(labels[first] == labels[second])].append(float(cosine))
    assert found['cosine/one_label'] == pytest.approx(sum(sums[True]) / len(sums[True]), rel=1e-4)
    assert found['cosine/two_labels'] == pytest.approx(
        sum(sums[False]) / len(sums[False]), rel=1e-4
    )
    assert found['cosine/gap'] == pytest.approx(
        found['cosine/one_label'] - found['cosine/two_labels']
    )
    assert 'masked_views/negative' not in found


def test_masked_views_of_mcc():
    torch.manual_seed(0)
    everything = build('MCC', mask_ratio=0.0, min_object=0.0, pseudo_label=dict(high=0.0, low=0.0))
    assert effects_of(everything, data())['masked_views/negative'] == 0.0
    nothing = build('MCC', mask_ratio=0.5, min_object=2.0)
    assert effects_of(nothing, data())['masked_views/negative'] == 1.0


def test_other_models_are_refused():
    with pytest.raises(ValueError, match='is not a classifier on a vision transformer'):
        TermEffects(MSCSegmentor.__new__(MSCSegmentor))
    with pytest.raises(ValueError, match='no image has been added'):
        TermEffects(build('SingleStage')).results()
