"""Random scaling with bicubic interpolation."""

from typing import Any

import mmcv

from mmwsss.registry import TRANSFORMS

from .random_scale import RandomScale


@TRANSFORMS.register_module()
class AffinityScale(RandomScale):
    """:class:`RandomScale` with bicubic interpolation of the image; label maps are resized by
    nearest neighbour.

    Args:
        ratio_range (tuple[float]): Smallest and largest factor, drawn uniformly between them.

    Raises:
        ValueError: The range does not satisfy 0 < smallest <= largest.
    """

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Resize the entries of ``results``."""
        image = results['img']
        results = super().transform(results)
        height, width = results['img_shape']
        results['img'] = mmcv.imresize(image, (width, height), interpolation='bicubic')
        return results
