"""The survey of thresholds against a naive loop."""

import numpy as np
import pytest

from mmwsss.functional.threshold_survey import SMALLEST_AREA, ThresholdSurvey


def test_against_a_loop():
    rng = np.random.default_rng(0)
    limits = [0.1, 0.35, 0.6, 0.9]
    survey = ThresholdSurvey(limits)
    expected = dict(area=np.zeros(4), kept=np.zeros(4), contrast=np.zeros(4))
    photos = [(rng.random((k, 7, 9)).astype(np.float32) ** 3) for k in (1, 3)]
    for cams in photos:
        image = rng.integers(0, 256, (7, 9, 3), np.uint8)
        survey.add(cams, image)
        pixels = image.reshape(-1, 3).astype(float)
        for index, limit in enumerate(limits):
            front = (cams.max(0) > limit).ravel()
            expected['area'][index] += front.mean() / 2
            for slot in range(len(cams)):
                own = front & (cams.argmax(0).ravel() == slot)
                expected['kept'][index] += (own.mean() >= SMALLEST_AREA) / 4
            if front.any() and not front.all():
                total = ((pixels - pixels.mean(0)) ** 2).sum()
                within = sum(
                    ((pixels[side] - pixels[side].mean(0)) ** 2).sum() for side in (front, ~front)
                )
                expected['contrast'][index] += (1 - within / total) / 2
    curves = survey.curves()
    for name, values in expected.items():
        assert getattr(curves, name) == pytest.approx(values), name
    assert survey.histogram.sum() == 2 * 63 and (survey.num_photos, survey.num_tags) == (2, 4)


def test_a_plain_photo_and_nothing():
    survey = ThresholdSurvey()
    with pytest.raises(ValueError, match='needs photos with tags'):
        survey.curves()
    survey.add(np.ones((1, 4, 4), np.float32), np.full((4, 4, 3), 7, np.uint8))
    assert not survey.curves().contrast.any() and (survey.curves().area == 1).all()
