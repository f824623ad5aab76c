"""Localisation scores against the released evaluators and brute force."""

import cv2
import numpy as np
import pytest
import torch

from mmwsss.functional.wsol import score_map, wsol_counts, wsol_edges, wsol_scores
from tests.golden_tensors import golden_tensors


@pytest.mark.parametrize('interval, name', [(0.001, '001'), (0.01, '01')])
def test_golden(interval, name):
    golden = golden_tensors('wsol')
    edges = wsol_edges(interval)
    counts = sum(
        wsol_counts(scores, mask, edges)
        for scores, mask in zip(golden['scoremaps'], golden['masks'])
    )
    scores = wsol_scores(counts, edges)
    assert 100 * scores.pxap == pytest.approx(float(golden[f'pxap_{name}']), abs=1e-9)
    assert 100 * scores.piou == pytest.approx(float(golden[f'piou_{name}']), abs=1e-9)


def test_brute_force():
    """One pass over all pixels per threshold."""
    rng = np.random.default_rng(0)
    maps, masks = np.round(rng.random((3, 7, 9)), 2), rng.choice([0, 4, 255], (3, 7, 9))
    maps[0, 0, 0] = 1
    edges = wsol_edges(0.05)
    result = wsol_scores(
        sum(
            wsol_counts(torch.from_numpy(a), torch.from_numpy(b), edges)
            for a, b in zip(maps, masks)
        ),
        edges,
    )
    valid, target = masks != 255, (masks == 4)[masks != 255]
    values, area, recall_before, ious = maps[valid], 0.0, 0.0, []
    for threshold in edges[:-1].tolist()[::-1]:
        predicted = values >= threshold
        hit = (predicted & target).sum()
        precision, recall = hit / max(predicted.sum(), 1), hit / target.sum()
        area, recall_before = area + precision * (recall - recall_before), recall
        ious.append(hit / (predicted | target).sum())
    assert result.pxap == pytest.approx(area, abs=1e-12) and result.piou == pytest.approx(
        max(ious), abs=1e-12
    )
    np.testing.assert_allclose(result.iou, ious[::-1], atol=1e-12)
    assert result.threshold == edges[int(np.argmax(ious[::-1]))]


def test_edges_and_empty_sets():
    edges = wsol_edges()
    assert (
        len(edges) == 1003
        and edges.dtype == torch.float64
        and edges[-4:].tolist() == [0.999, 1, 2, 3]
    )
    nothing = wsol_scores(torch.zeros(2, 1002, dtype=torch.int64), edges)
    assert (nothing.pxap, nothing.piou, nothing.threshold) == (0, 0, 0)
    assert not wsol_counts(torch.rand(3, 4), torch.full((3, 4), 255), edges).any()
    only_background = wsol_counts(torch.rand(3, 4), torch.zeros(3, 4, dtype=torch.uint8), edges)
    assert only_background[1].sum() == 12 and wsol_scores(only_background, edges).piou == 0
    for interval in (0, 1, -0.1):
        with pytest.raises(ValueError, match='interval'):
            wsol_edges(interval)


def test_a_perfect_map():
    target = torch.zeros(8, 8, dtype=torch.uint8)
    target[2:5, 3:] = 7
    scores = wsol_scores(wsol_counts((target > 0).double(), target, wsol_edges()), wsol_edges())
    assert scores.pxap == 1 and scores.piou == 1 and scores.threshold == 0.001


def test_map_of_the_protocol():
    cam = torch.rand(14, 19)
    resized = cv2.resize(cam.double().numpy(), (224, 224), interpolation=cv2.INTER_CUBIC)
    expected = (resized - resized.min()) / (resized.max() - resized.min())
    result = score_map(cam, (224, 224))
    assert result.dtype == torch.float64 and result.aminmax() == (0, 1)
    np.testing.assert_allclose(result, expected, atol=1e-6)
    assert torch.equal(score_map(result, (224, 224)), result)
    assert (
        not score_map(torch.full((5, 5), 0.3), (9, 9)).any()
        and not score_map(torch.tensor([[0.0, float('nan')]]), (2, 4)).any()
    )


def test_bad_input():
    with pytest.raises(ValueError, match='do not fit a mask'):
        wsol_counts(torch.rand(3, 4), torch.zeros(4, 3), wsol_edges())
    for value in (-0.1, 1.1, float('nan')):
        with pytest.raises(ValueError, match=r'in \[0,1\]'):
            wsol_counts(torch.full((3, 4), value), torch.zeros(3, 4), wsol_edges())
