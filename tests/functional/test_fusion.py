"""Fusion of scales and flips, against the formulas on explicit stacks."""

import pytest
import torch

from mmwsss.functional.fusion import RULES, ScoreFusion


@pytest.mark.parametrize('rule', RULES)
@pytest.mark.parametrize('dim', [0, 1])
def test_rules(rule, dim):
    views = torch.randn(3, 2, *(1,) * dim, 4, 5, 6)  # scales, flips
    probs = views.softmax(2 + dim)
    expected = dict(
        max_softmax=probs.flatten(0, 1).amax(0),
        mean_softmax=probs.flatten(0, 1).mean(0),
        sum_logits=views.flatten(0, 1).sum(0),
        mean_logits=views.flatten(0, 1).mean(0),
        max_of_flip_sums=views.sum(1).amax(0),
        sum_of_flip_maxima=views.amax(1).sum(0),
    )[rule]
    fusion = ScoreFusion(rule)
    for scale in views:
        fusion.add(list(scale), dim=dim)
    result = fusion.result()
    torch.testing.assert_close(result.exp() if rule.endswith('softmax') else result, expected)


def test_mean_logits_with_uneven_scales():
    """The mean is over views, not over scales; equal views give the softmax of one of them, for any
    number.
    """
    views = torch.randn(3, 4, 5, 6)
    fusion = ScoreFusion('mean_logits')
    fusion.add([views[0], views[1]])
    fusion.add([views[2]])
    torch.testing.assert_close(fusion.result(), views.mean(0))
    fusion = ScoreFusion('mean_logits')
    for _ in range(6):
        fusion.add([views[0]] * 2)
    torch.testing.assert_close(fusion.result().softmax(0), views[0].softmax(0))


def test_unknown_rule():
    with pytest.raises(ValueError, match="rule must be one of .*'max_softmax'.*, got 'mean'"):
        ScoreFusion('mean')
