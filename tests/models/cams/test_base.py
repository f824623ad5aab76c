"""What CAM methods share: their names, and the rows of class tokens."""

import pytest
import torch

from mmwsss.functional.attention import AttentionRequest
from mmwsss.models.cams import CAMMethod, cam_methods
from mmwsss.models.cams.base import token_rows
from mmwsss.registry import MODELS

from .networks import C, network


class Column(CAMMethod):
    """The attention that the first class token pays."""

    requests = {'rows': AttentionRequest('class_to_patch', reduce='mean')}

    def maps(self, model, features, keys):
        assert list(features.attention)[0] == 'rows'
        return features.attention['rows'][:, :1].expand(-1, len(keys), -1)


def test_names_on_the_command_line():
    names = cam_methods()
    assert set(names) >= {'cam', 'ts_cam', 'ts_cam_relu', 'generic', 'acr_star', 'cam_grad_s'}
    assert names['ts_cam_relu'] == dict(type='mmwsss.TSCAM', relu=True)
    built = {name: MODELS.build(dict(config)) for name, config in names.items()}
    assert all(isinstance(method, CAMMethod) for method in built.values())
    assert built['grad_s'].form == 'grad_s'


def test_a_method_without_short_names_has_its_registered_one():
    MODELS.register_module(module=Column)
    try:
        assert cam_methods()['Column'] == dict(type='mmwsss.Column')
    finally:
        del MODELS.module_dict['Column']


@pytest.mark.parametrize('refine', [False, True])
def test_attention_is_asked_for_by_name(refine):
    model, method = network(test_cfg=dict(refine=refine)), Column(affinity_layers=2)
    images = torch.randn(2, 3, 48, 48)
    with torch.no_grad():
        features = method.extract(model, images)
        maps = method.maps_of(model, features, [0, 3])
    assert list(features.attention) == (['rows', 'affinity'] if refine else ['rows'])
    expected = features.attention['rows'][:, 0]
    if refine:
        expected = (features.attention['affinity'] @ expected[..., None])[..., 0]
    torch.testing.assert_close(maps[:, 1].flatten(1), expected)


def test_rows_of_class_tokens():
    single, many = network(), network('MCTformerPlus')
    assert token_rows(single, [2, 0]) == [0, 0] and token_rows(many, [2, 0]) == [2, 0]
    many.num_classes = C + 1
    with pytest.raises(ValueError, match=f'{C} class tokens for {C + 1} classes'):
        token_rows(many, [0])
