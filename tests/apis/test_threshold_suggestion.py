"""Suggested thresholds on maps whose best one is known."""

import numpy as np
import pytest
from PIL import Image

from mmwsss.apis.threshold_suggestion import suggest, survey_maps
from mmwsss.utils.io import write_cam


@pytest.fixture
def entries(tmp_path):
    """Maps around 0.8 on a dark square, around 0.2 on the bright ground; one photo has no tag."""
    rng = np.random.default_rng(0)
    found = []
    for number in range(3):
        image = np.full((40, 48, 3), 200, np.uint8)
        image[10:30, 12:36] = 30
        cam = rng.normal(0.2, 0.05, (1, 40, 48))
        cam[:, 10:30, 12:36] += 0.6
        keys, maps = ([0], cam) if number else ([], np.zeros((0, 40, 48)))
        Image.fromarray(image).save(tmp_path / f'{number}.png')
        write_cam(tmp_path / f'{number}.npz', keys, maps.clip(0, 1).astype(np.float32))
        found.append((tmp_path / f'{number}.npz', tmp_path / f'{number}.png'))
    return found


@pytest.mark.parametrize('rule, area', [('contrast', None), ('mixture', None), ('area', 0.25)])
def test_rules(rule, area, entries):
    survey = survey_maps(entries)
    assert survey.num_photos == 2
    found = suggest(survey, rule=rule, area=area)
    assert 0.3 < found.threshold < 0.7 and found.rule == rule
    assert found.area == pytest.approx(0.25, abs=0.02) and found.kept == 1
    assert rule in found.estimates


def test_bad_options(entries):
    survey = survey_maps(entries)
    for options in (dict(rule='x'), dict(rule='area'), dict(area=0.2), dict(rule='area', area=2)):
        with pytest.raises(ValueError):
            suggest(survey, **options)
    with pytest.raises(ValueError, match='needs photos with tags'):
        suggest(survey_maps(entries[:1]))
