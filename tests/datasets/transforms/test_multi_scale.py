"""Views at several scales."""

import numpy as np
import pytest
from PIL import Image

from mmwsss.datasets.transforms import MultiScaleViews


def test_sizes_round_halves_to_even_and_keep_the_order():
    image = np.random.default_rng(0).integers(0, 256, (10, 14, 3), np.uint8)
    views = MultiScaleViews()({'img': image})['views']
    # 7.5 -> 8, 10.5 -> 10, 12.5 -> 12, 17.5 -> 18
    assert [view.shape for view in views] == [(10, 14, 3), (8, 10, 3), (12, 18, 3)]
    assert views[0] is image
    rgb = Image.fromarray(np.ascontiguousarray(image[..., ::-1])).resize(
        (10, 8), Image.Resampling.BICUBIC
    )
    np.testing.assert_array_equal(views[1][..., ::-1], np.asarray(rgb))
    views = MultiScaleViews(scales=[2.0, 0.01])({'img': image})['views']
    assert [view.shape for view in views] == [(20, 28, 3), (1, 1, 3)]


@pytest.mark.parametrize('scales', [(), (1.0, 0.0), (-1.0,)])
def test_bad_scales(scales):
    with pytest.raises(ValueError, match='scales must be positive'):
        MultiScaleViews(scales=scales)
