"""PAR as a component, and against its plain form."""

import pytest
import torch

from benchmarks.textbook.par import PlainPAR
from benchmarks.textbook.par import labels_two_pass as plain_labels_two_pass
from mmwsss.functional.par import pixel_adaptive_refinement
from mmwsss.functional.pseudo_labels import labels_two_pass
from mmwsss.models.refiners import PAR
from mmwsss.registry import MODELS


def test_component():
    module = MODELS.build(
        dict(type='mmwsss.PAR', dilations=[1, 2], num_iters=3, normalize_kernel=True)
    )
    assert isinstance(module, PAR) and not list(module.parameters())
    images, masks = torch.rand(1, 3, 9, 11), torch.rand(1, 2, 5, 6)
    torch.testing.assert_close(
        module(images, masks),
        pixel_adaptive_refinement(images, masks, (1, 2), 3, normalize_kernel=True),
    )
    assert '16 neighbours' in repr(module)


def test_plain_form_gives_the_same():
    images, masks = torch.rand(2, 3, 20, 26), torch.rand(2, 3, 10, 13)
    torch.testing.assert_close(
        PAR()(images, masks), PlainPAR()(images, masks), rtol=1e-4, atol=1e-5
    )


def test_plain_labels_are_the_same():
    images, cams = torch.rand(3, 3, 32, 40), torch.rand(3, 5, 4, 5)
    cams = torch.nn.functional.interpolate(cams, size=(32, 40), mode='bilinear')
    tags = torch.tensor([[1, 0, 0, 1, 0], [0, 1, 0, 0, 0], [0, 0, 0, 0, 0]])
    ours = labels_two_pass(images, cams, tags, par=PAR())
    assert torch.equal(ours, plain_labels_two_pass(PlainPAR(), images, cams, tags))


def test_wrong_arguments():
    for dilations in ((), (0, 1)):
        with pytest.raises(ValueError, match='dilations'):
            PAR(dilations)
    with pytest.raises(ValueError, match='num_iters'):
        PAR(num_iters=-1)
