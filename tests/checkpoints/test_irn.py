"""Names of the released IRN."""

import pytest

from mmwsss.checkpoints.irn import is_irn, release_irn_keys, translate_irn_keys

NAMES = {
    'resnet50.conv1.weight': 'backbone.conv1.weight',
    'resnet50.bn1.running_var': 'backbone.bn1.running_var',
    'resnet50.layer3.5.bn2.bias': 'backbone.layer3.5.bn2.bias',
    'resnet50.layer2.0.downsample.1.weight': 'backbone.layer2.0.downsample.1.weight',
    'fc_edge1.0.weight': 'edge_embeddings.0.0.weight',
    'fc_edge5.1.bias': 'edge_embeddings.4.1.bias',
    'fc_edge6.weight': 'edge.weight',
    'fc_edge6.bias': 'edge.bias',
    'fc_dp1.0.weight': 'displacement.fine.0.0.weight',
    'fc_dp2.1.weight': 'displacement.fine.1.1.weight',
    'fc_dp3.0.weight': 'displacement.coarse.0.0.weight',
    'fc_dp5.1.bias': 'displacement.coarse.2.1.bias',
    'fc_dp6.0.weight': 'displacement.merge.0.weight',
    'fc_dp7.0.weight': 'displacement.vectors.0.0.weight',
    'fc_dp7.1.bias': 'displacement.vectors.0.1.bias',
    'fc_dp7.3.weight': 'displacement.vectors.2.weight',
    'mean_shift.running_mean': 'displacement.mean',
}
SECOND_NAMES = {
    'stage1.0.weight': 'backbone.conv1.weight',
    'stage1.1.running_var': 'backbone.bn1.running_var',
    'stage4.0.5.bn2.bias': 'backbone.layer3.5.bn2.bias',
    'backbone.0.0.weight': 'backbone.conv1.weight',
    'backbone.3.0.5.bn2.bias': 'backbone.layer3.5.bn2.bias',
    'edge_layers.0.0.weight': 'edge_embeddings.0.0.weight',
    'edge_layers.5.bias': 'edge.bias',
    'dp_layers.1.1.weight': 'displacement.fine.1.1.weight',
    'dp_layers.6.3.weight': 'displacement.vectors.2.weight',
    'fc_dp7.4.running_mean': 'displacement.mean',
    'dp_layers.6.4.running_mean': 'displacement.mean',
}


def test_names_both_ways():
    ours, unused = translate_irn_keys({theirs: theirs for theirs in NAMES})
    assert ours == {name: theirs for theirs, name in NAMES.items()} and not unused
    released, unused = release_irn_keys({name: theirs for theirs, name in NAMES.items()})
    assert released == {theirs: theirs for theirs in NAMES} and not unused


@pytest.mark.parametrize('theirs', SECOND_NAMES)
def test_second_names(theirs):
    assert translate_irn_keys({theirs: 1}) == ({SECOND_NAMES[theirs]: 1}, [])
    first = next(name for name, ours in NAMES.items() if ours == SECOND_NAMES[theirs])
    assert translate_irn_keys({first: 1, theirs: 2})[0] == {SECOND_NAMES[theirs]: 1}


def test_what_does_not_belong():
    names = ['resnet50.fc.weight', 'fc_edge7.0.weight', 'other.weight', 'dp_layers.7.0.weight']
    assert translate_irn_keys(dict.fromkeys(names, 1)) == ({}, names)
    assert release_irn_keys({'head.weight': 1}) == ({}, ['head.weight'])
    assert (
        is_irn({'fc_edge6.weight': 1})
        and is_irn({'edge_layers.5.weight': 1})
        and not is_irn({'edge.weight': 1})
    )
