"""An image and a spatially transformed second view of it."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from mmcv.transforms import BaseTransform

from mmwsss.functional.views import make_view, view_steps
from mmwsss.registry import TRANSFORMS


@TRANSFORMS.register_module()
class TwoViews(BaseTransform):
    """Set ``views`` to the augmented image and one transformed version of it, and ``view`` to the
    steps of the transformation (ACR section 3.2).

    The steps become meta information of the sample, from which they are undone on the attention of
    the second view. The released code always flips; the paper draws one of resizing, flipping and
    rotation. It is the last transform before packing.

    Args:
        transforms (Sequence[str | Sequence[str]]): Views of which one is drawn, each a step or a
            composition of steps: :data:`mmwsss.functional.views.VIEW_STEPS`.
        ratio_range (tuple[float]): Factor of ``'resize'``, drawn uniformly.
        divisor (int): Patch size, of which the sides are multiples. Other images are padded with
            black at the bottom and the right before the view is created, because padding afterwards
            would be on another side.

    Raises:
        ValueError: No transform is given, a step is unknown, or the range is invalid.
    """

    def __init__(
        self,
        transforms: Sequence[str | Sequence[str]] = ('hflip',),
        *,
        ratio_range: Sequence[float] = (0.75, 1.25),
        divisor: int = 16,
    ) -> None:
        self.transforms = [view_steps(view) for view in transforms]
        if not self.transforms:
            raise ValueError('TwoViews needs at least one transform')
        if not 0 < ratio_range[0] <= ratio_range[1]:
            raise ValueError(
                f'TwoViews: ratio_range must satisfy 0 < low <= high, got {ratio_range}'
            )
        self.ratio_range = tuple(ratio_range)
        self.divisor = divisor

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Add ``views`` and ``view`` to ``results``."""
        steps = self.transforms[np.random.randint(len(self.transforms))]
        image = results['img']
        size: tuple[int, ...] | None = None
        rows, columns = (-side % self.divisor for side in image.shape[:2])
        if rows or columns:  # a flip would move the padding of the network to the other side
            image = np.pad(image, ((0, rows), (0, columns), (0, 0)))
        planes = torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1)
        if 'resize' in steps:
            ratio = np.random.uniform(self.ratio_range[0], self.ratio_range[1])
            # steps before the resize may swap height and width
            sides = make_view(planes[:1], steps[: steps.index('resize')]).shape[-2:]
            size = tuple(
                max(1, round(side * ratio / self.divisor)) * self.divisor for side in sides
            )
            planes = planes.float()  # bytes cannot be interpolated
        view = make_view(planes, steps, size=size)
        view = view if view.dtype == torch.uint8 else view.round().clamp(0, 255).byte()
        results['views'] = [image, view.permute(1, 2, 0).numpy()]
        results['view'] = steps
        return results
