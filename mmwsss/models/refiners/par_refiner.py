"""Pixel-adaptive refinement on class activation maps."""

from collections.abc import Sequence

import torch
from torch import Tensor

from mmwsss.functional.cam import resize_maps
from mmwsss.functional.par import DILATIONS
from mmwsss.functional.pseudo_labels import labels_eq16, labels_two_pass, to_class_ids
from mmwsss.registry import REFINERS

from .base import Background, Backgrounds, Sizes, Tensors
from .par import PAR
from .per_image_refiner import PerImageRefiner

RULES = ('two_pass', 'eq16', 'argmax')


@REFINERS.register_module(name='par')
class PARRefiner(PerImageRefiner):
    """:class:`PAR` on the maps; two thresholds make labels, and leave uncertain pixels 255.

    Args:
        rule (str): ``'two_pass'`` (AFA, ToCo, MCC): the labels of two background scores, ``high``
            and ``low``, have to agree; ``'eq16'`` (AReAM Eq. 16): classes above ``high``,
            background below ``low``; ``'argmax'``: the best of the scores of :meth:`refine`.
        high, low (float): Thresholds of the first two rules.
        dilations, num_iters: See :class:`PAR`.
        background (float | tuple): Background score of :meth:`refine` and of ``'argmax'``.

    Raises:
        ValueError: Unknown rule, or ``low`` exceeds ``high``.
    """

    def __init__(
        self,
        rule: str = 'two_pass',
        *,
        high: float = 0.7,
        low: float = 0.25,
        dilations: Sequence[int] = DILATIONS,
        num_iters: int = 10,
        background: Background = 0.4,
    ) -> None:
        super().__init__(background=background)
        if rule not in RULES:
            raise ValueError(f'the rule of par must be one of {RULES}, got {rule!r}')
        if low > high:
            raise ValueError(f'low must not exceed high, got low={low} and high={high}')
        self.rule, self.high, self.low = rule, high, low
        self.par = PAR(dilations, num_iters)

    def refine_image(self, image: Tensor, cams: Tensor, backgrounds: Backgrounds) -> list[Tensor]:
        """See :meth:`PerImageRefiner.refine_image`."""
        pixels = image[None].to(cams.device).float()
        stacks = [self.seeds(cams, image.shape[-2:], background) for background in backgrounds]
        return [self.par(pixels, seeds[None])[0] for seeds in stacks]

    def labels(self, images: Tensors, cams: Tensors, tags: Tensors, sizes: Sizes) -> list[Tensor]:
        """See :meth:`Refiner.labels`; by the rule of the constructor."""
        if self.rule == 'argmax':
            return super().labels(images, cams, tags, sizes)
        return [
            self._thresholded(image, maps, keys, tuple(size))
            for image, maps, keys, size in zip(images, cams, tags, sizes, strict=True)
        ]

    def _thresholded(
        self, image: Tensor, maps: Tensor, keys: Tensor, size: Sequence[int]
    ) -> Tensor:
        """Labels (H,W) by two thresholds."""
        if not len(keys):
            return torch.zeros(size, dtype=torch.long)
        pixels = resize_maps(image[None].to(maps.device).float(), size)
        maps = resize_maps(maps[None].float(), size)
        present = maps.new_ones(1, len(keys))
        if self.rule == 'eq16':
            slots = labels_eq16(self.par(pixels, maps), present, self.low, self.high)
        else:
            slots = labels_two_pass(
                pixels, maps, present, self.high, self.low, par=self.par, num_slots=len(keys)
            )
        return to_class_ids(slots[0], keys.to(slots.device))
