"""Audit of image tags: pairs that a classifier cannot distinguish, tags that are probably wrong or
missing, and photos that are worth annotating.

Wrong and missing tags are found by cross-validated scores, so that no photo is scored by a
classifier that was trained on its tags, as in confident learning (Northcutt et al., 2021, section
3). While confident learning uses the mean score of a class as threshold, the midpoint between the
means with and without the tag is used here, because the lists are ranked and their first entries
matter.
"""

import warnings
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

FOLDS = 5
FEWEST = 3  # fewest photos with a tag for a statement about it
TOGETHER = 0.9  # fraction of the photos with a tag that also have the other one
OVERLAP = 0.5  # overlap of the maps of two tags in the photos that have both
STRENGTH = 1.0  # inverse weight of the penalty of the logistic regression


class Suspect(NamedTuple):
    """A tag that does not fit its photo.

    Attributes:
        photo: Row of the table.
        tag: Column.
        score: Cross-validated probability of the tag.
        typical: Mean score of the photos with the tag.
    """

    photo: int
    tag: int
    score: float
    typical: float


class Pair(NamedTuple):
    """Two tags that are hard to distinguish.

    Attributes:
        tag: Column of the tag that rarely occurs without the other.
        other: Column of the other one.
        photos: Photos with the tag.
        both: Photos with both.
        overlap: Overlap of their maps in these photos, None without maps.
    """

    tag: int
    other: int
    photos: int
    both: int
    overlap: float | None


def cross_validated_scores(
    features: NDArray[np.float32], tags: NDArray[np.bool_], *, folds: int = FOLDS, seed: int = 0
) -> NDArray[np.float64]:
    """Probability of every tag in every photo, from classifiers that were not trained on the photo.

    One logistic regression per tag is fitted to standardised features.

    Args:
        features: (N,F), a row per photo.
        tags: (N,C).
        folds: Number of folds.
        seed: Seed of the division into folds.

    Returns:
        (N,C) in [0,1]; NaN where a training fold has no photo with the tag, or none without it.
    """
    from sklearn.model_selection import KFold

    scores = np.full(tags.shape, np.nan)
    parts = min(folds, len(features))
    if parts < 2:
        return scores
    for train, test in KFold(parts, shuffle=True, random_state=seed).split(features):
        scores[test] = fitted_scores(features[train], tags[train], features[test])
    return scores


def fitted_scores(
    features: NDArray[np.float32], tags: NDArray[np.bool_], others: NDArray[np.float32]
) -> NDArray[np.float64]:
    """Probability of every tag in other photos.

    Args:
        features: (N,F) features of the training photos.
        tags: (N,C) tags of the training photos.
        others: (M,F).

    Returns:
        (M,C) in [0,1]; NaN for tags that all or none of the photos have.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    scaler = StandardScaler().fit(features)
    known, unknown = scaler.transform(features), scaler.transform(others)
    # the penalty grows with the number of features, which are correlated
    strength = STRENGTH / features.shape[1]
    scores = np.full((len(others), tags.shape[1]), np.nan)
    for column in range(tags.shape[1]):
        if 0 < tags[:, column].sum() < len(tags):
            model = LogisticRegression(C=strength, max_iter=200)
            with warnings.catch_warnings():
                warnings.simplefilter('ignore', ConvergenceWarning)
                model.fit(known, tags[:, column])
            scores[:, column] = model.predict_proba(unknown)[:, 1]
    return scores


def suspicious_tags(scores: NDArray[np.float64], tags: NDArray[np.bool_]) -> list[Suspect]:
    """Tags that their photos probably do not show, in order of decreasing certainty.

    Args:
        scores: (N,C) from :func:`cross_validated_scores`.
        tags: (N,C).
    """
    return _suspects(scores, tags, wrong=True)


def missing_tags(scores: NDArray[np.float64], tags: NDArray[np.bool_]) -> list[Suspect]:
    """Tags that photos probably lack, in order of decreasing certainty; arguments as for
    :func:`suspicious_tags`.
    """
    return _suspects(scores, tags, wrong=False)


def _suspects(
    scores: NDArray[np.float64], tags: NDArray[np.bool_], *, wrong: bool
) -> list[Suspect]:
    found = []
    for column in range(tags.shape[1]):
        own, score = tags[:, column], scores[:, column]
        known = ~np.isnan(score)
        if (own & known).sum() < FEWEST or not (~own & known).any():
            continue
        typical, other = score[own & known].mean(), score[~own & known].mean()
        # a wrong tag scores like photos without the tag, a missing one like photos with it
        middle = (typical + other) / 2
        chosen = own & (score < middle) if wrong else ~own & (score > middle)
        found += [
            (
                abs(score[row] - (typical if wrong else other)) / max(typical - other, 1e-6),
                Suspect(int(row), column, float(score[row]), float(typical)),
            )
            for row in np.flatnonzero(chosen & known)
        ]
    return [suspect for _, suspect in sorted(found, key=lambda entry: (-entry[0], entry[1]))]


def confounded_pairs(
    tags: NDArray[np.bool_], overlaps: Mapping[tuple[int, int], float] | None = None
) -> list[Pair]:
    """Pairs of tags that occur together or whose maps overlap, the worst first.

    Args:
        tags: (N,C).
        overlaps: Overlap of the maps in [0,1] of pairs of columns, the smaller one first.
    """
    overlaps = overlaps or {}
    counts = tags.sum(0)
    pairs = []
    for tag in range(tags.shape[1]):
        for other in range(tags.shape[1]):
            # the rarer tag is first: it rarely occurs without the other
            both = int((tags[:, tag] & tags[:, other]).sum())
            if other == tag or both < FEWEST or counts[tag] > counts[other]:
                continue
            if counts[tag] == counts[other] and other < tag:
                continue  # the same pair again
            overlap = overlaps.get((min(tag, other), max(tag, other)))
            if both >= TOGETHER * counts[tag] or (overlap or 0) >= OVERLAP:
                pairs.append(Pair(tag, other, int(counts[tag]), both, overlap))
    return sorted(pairs, key=lambda pair: (-pair.both / pair.photos, -(pair.overlap or 0), pair))


def map_overlap(one: NDArray[np.floating], two: NDArray[np.floating]) -> float:
    """Overlap of two maps (H,W) >= 0: sum of the smaller values over sum of the larger ones."""
    larger = float(np.maximum(one, two).sum())
    return float(np.minimum(one, two).sum()) / larger if larger else 0.0


def disagreement(one: NDArray[np.uint8], two: NDArray[np.uint8]) -> float:
    """1 - mean IoU of two label maps (H,W) over the classes that either shows; 255 in the first is
    left out.
    """
    known = one != 255
    # classes that occur only in ignored pixels do not count
    labels = np.union1d(one[known], two[known])
    ious = [
        ((one == label) & (two == label) & known).sum()
        / max(1, (((one == label) | (two == label)) & known).sum())
        for label in labels.tolist()
    ]
    return 1.0 - float(np.mean(ious)) if ious else 0.0


def uncertain_photos(scores: NDArray[np.float64]) -> list[tuple[int, float]]:
    """Photos with the most uncertain tags, which are worth tagging, with the mean entropy in bits.

    Args:
        scores: (M,C) from :func:`fitted_scores`.
    """
    # the logarithm of 0 is infinite, although its product with 0 is 0
    values = np.clip(scores, 1e-9, 1 - 1e-9)
    entropy = -(values * np.log2(values) + (1 - values) * np.log2(1 - values))
    # a photo without any score is left out; for the others the existing scores are averaged
    rows = np.flatnonzero(~np.isnan(entropy).all(1))
    means = {int(row): float(np.nanmean(entropy[row])) for row in rows}
    return sorted(means.items(), key=lambda entry: (-entry[1], entry[0]))


def tag_matrix(table: Sequence[Sequence[str]], names: Sequence[str]) -> NDArray[np.bool_]:
    """Matrix (N,C) from lists of tags."""
    matrix = np.zeros((len(table), len(names)), bool)
    for row, tags in zip(matrix, table):
        row[:] = [name in tags for name in names]
    return matrix
