"""Dense CRF behind the interface of refiners."""

import pytest
import torch

from mmwsss.models.refiners import CRFRefiner, DenseCRF
from mmwsss.models.refiners.crf_refiner import crf_scores

from .data import batch, check_contract, photo


def test_scores_are_those_of_the_crf():
    image, maps, _ = photo()
    scores, labels = check_contract(CRFRefiner('irn', background=0.5, backend='torch'))
    stack = torch.cat([torch.full_like(maps[:1], 0.5), maps])
    expected = DenseCRF('irn', backend='torch')(image.permute(1, 2, 0), stack)
    torch.testing.assert_close(scores, expected)
    assert torch.equal(labels, torch.tensor([0, 3, 6])[expected.argmax(0)])
    # the two halves of the image are told apart by their colour
    assert (labels[:, :15] == 3).all() and (labels[:, 17:] == 6).all()


def test_several_backgrounds_share_the_kernels(monkeypatch):
    images, cams, tags, sizes = batch()
    refiner, calls = CRFRefiner(backend='torch'), []
    refine_many = DenseCRF.refine_many
    monkeypatch.setattr(
        DenseCRF,
        'refine_many',
        lambda self, image, probs: calls.append(len(probs)) or refine_many(self, image, probs),
    )
    stacks = refiner.refine_several(images, cams, tags, sizes, [0.2, 0.8])
    assert calls == [2, 2]
    for background, stack in zip((0.2, 0.8), stacks):
        alone = CRFRefiner(backend='torch', background=background)
        assert torch.equal(stack[0], alone.refine(images, cams, tags, sizes)[0])


def test_scores_of_another_size():
    images, cams, tags, _ = batch()
    scores = CRFRefiner(backend='torch').refine(images[:1], cams[:1], tags[:1], [(12, 16)])
    assert scores[0].shape == (3, 12, 16)
    torch.testing.assert_close(scores[0].sum(0), torch.ones(12, 16))


def test_options_reach_the_crf():
    crf = CRFRefiner(None, num_iters=2, gauss=(1, 1), bilateral=(5, 5, 1), backend='torch').crf
    assert (crf.num_iters, crf.gauss, crf.bilateral) == (2, (1, 1), (5, 5, 1))
    with pytest.raises(ValueError, match="preset 'none' is unknown"):
        CRFRefiner('none')


def test_several_stacks_of_one_image():
    image, maps, _ = photo()
    crf = DenseCRF('psa', backend='torch')
    first, second = crf_scores(crf, image, [maps, maps.flip(0)])
    torch.testing.assert_close(first, second.flip(0))
