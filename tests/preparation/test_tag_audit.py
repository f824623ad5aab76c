"""Wrong, missing and confounded tags on made-up features whose truth is known."""

import numpy as np
import pytest

from mmwsss.preparation.tag_audit import (
    Pair,
    confounded_pairs,
    cross_validated_scores,
    disagreement,
    fitted_scores,
    map_overlap,
    missing_tags,
    suspicious_tags,
    tag_matrix,
    uncertain_photos,
)


@pytest.fixture
def data():
    """(N,F) features that show two tags, and the (N,2) tags."""
    rng = np.random.default_rng(0)
    tags = rng.random((120, 2)) < 0.4
    features = 3 * tags @ rng.normal(size=(2, 12)) + rng.normal(size=(120, 12))
    return features.astype(np.float32), tags


def test_wrong_and_missing_tags_come_first(data):
    features, tags = data
    wrong = [(int(row), 0) for row in np.flatnonzero(~tags[:, 0])[:4]]
    missing = [(int(row), 1) for row in np.flatnonzero(tags[:, 1])[:4]]
    changed = tags.copy()
    for row, column in wrong + missing:
        changed[row, column] = ~changed[row, column]
    scores = cross_validated_scores(features, changed)
    assert scores.shape == tags.shape and (scores >= 0).all() and (scores <= 1).all()
    found = suspicious_tags(scores, changed)
    assert {(entry.photo, entry.tag) for entry in found[:4]} == set(wrong)
    found = missing_tags(scores, changed)
    assert {(entry.photo, entry.tag) for entry in found[:4]} == set(missing)
    assert found[0].score >= found[0].typical


def test_nothing_is_said_of_rare_tags(data):
    features, tags = data
    tags = tags.copy()
    tags[:, 0] = False
    tags[:2, 0] = True
    scores = cross_validated_scores(features, tags)
    assert all(entry.tag == 1 for entry in suspicious_tags(scores, tags))
    tags[:, 0] = True
    assert np.isnan(cross_validated_scores(features, tags)[:, 0]).all()
    assert np.isnan(cross_validated_scores(features[:1], tags[:1])).all()


def test_uncertain_photos(data):
    features, tags = data
    middle = features.mean(0, keepdims=True)
    scores = fitted_scores(features, tags, np.concatenate([features[:3], middle]))
    assert uncertain_photos(scores)[0][0] == 3
    assert uncertain_photos(np.full((2, 1), np.nan)) == []


def test_confounded_pairs():
    table = [['boat', 'water']] * 9 + [['water']] * 5 + [['boat']] + [['dog', 'boat']] * 3
    tags = tag_matrix(table, ['boat', 'dog', 'water'])
    assert confounded_pairs(tags) == [Pair(1, 0, 3, 3, None)]
    found = confounded_pairs(tags, {(0, 2): 0.7})
    assert found[1] == Pair(0, 2, 13, 9, 0.7)
    # two tags of the same photos are one pair
    assert len(confounded_pairs(tag_matrix([['a', 'b']] * 4 + [[]], ['a', 'b']))) == 1


def test_overlap_and_disagreement():
    one, two = np.array([[1.0, 0.5, 0.0]]), np.array([[1.0, 0.0, 0.5]])
    assert map_overlap(one, two) == pytest.approx(0.5)
    assert map_overlap(one * 0, two * 0) == 0
    labels = np.array([[0, 1, 1, 255]], np.uint8)
    assert disagreement(labels, np.array([[0, 1, 1, 1]], np.uint8)) == 0
    # IoU 1/2 of the background and 1/2 of the class
    assert disagreement(labels, np.array([[0, 0, 1, 0]], np.uint8)) == pytest.approx(0.5)
    assert disagreement(labels[:, 3:], labels[:, 3:]) == 0
