"""Pixel-adaptive refinement on class activation maps."""

from collections.abc import Sequence

import torch
from torch import Tensor

from mmwsss.functional.cam import resize_maps
from mmwsss.functional.par import DILATIONS
from mmwsss.functional.pseudo_labels import labels_eq16, labels_two_pass, to_class_ids
from mmwsss.registry import REFINERS
from mmwsss.utils.transfer import send

from .base import Background, Sizes, Tensors
from .batch_refiner import BatchRefiner, pad_and_stack, same_sizes, stack_images
from .par import PAR

RULES = ('two_pass', 'eq16', 'argmax')


@REFINERS.register_module(name='par')
class PARRefiner(BatchRefiner):
    """:class:`PAR` on the maps; labels are made by two thresholds, and uncertain pixels are 255.

    Args:
        rule (str): ``'two_pass'`` (AFA, ToCo, MCC): the labels of two background scores, ``high``
            and ``low``, must agree; ``'eq16'`` (AReAM Eq. 16): classes above ``high``, background
            below ``low``; ``'argmax'``: the best of the scores of :meth:`refine`.
        high, low (float): Thresholds of the first two rules.
        dilations, num_iters: See :class:`PAR`.
        background (float | tuple): Background score of :meth:`refine` and of ``'argmax'``.

    Raises:
        ValueError: The rule is unknown, or ``low`` exceeds ``high``.
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

    def refine_batch(
        self, images: Tensor, stacks: Sequence[Tensor], counts: Sequence[int]
    ) -> list[Tensor]:
        """See :meth:`BatchRefiner.refine_batch`."""
        return [self.par(images.float(), seeds) for seeds in stacks]

    def labels(self, images: Tensors, cams: Tensors, tags: Tensors, sizes: Sizes) -> list[Tensor]:
        """See :meth:`Refiner.labels`; uses the rule of the constructor."""
        if self.rule == 'argmax':
            return super().labels(images, cams, tags, sizes)
        results = [torch.zeros(tuple(size), dtype=torch.long) for size in sizes]
        for group in same_sizes(images, sizes):
            chosen = [index for index in group if len(tags[index])]
            if not chosen:
                continue
            labels = self._thresholded(
                [images[index] for index in chosen],
                [cams[index] for index in chosen],
                [tags[index] for index in chosen],
                sizes[chosen[0]],
            )
            for index, label in zip(chosen, labels, strict=True):
                results[index] = label
        return results

    def _thresholded(
        self, images: Tensors, cams: Tensors, tags: Tensors, size: Sequence[int]
    ) -> Tensor:
        """Labels (B,H,W) of images of the same size by two thresholds."""
        maps = pad_and_stack([resize_maps(stack[None].float(), size)[0] for stack in cams])
        pixels = resize_maps(stack_images(images, maps.device).float(), size)
        classes = torch.nn.utils.rnn.pad_sequence(list(tags), batch_first=True).to(maps.device)
        counts = send(torch.tensor([len(keys) for keys in tags]), maps.device)
        slots = torch.arange(maps.shape[1], device=maps.device)
        present = (slots < counts[:, None]).to(maps)
        if self.rule == 'eq16':
            labels = labels_eq16(self.par(pixels, maps), present, self.low, self.high)
        else:
            labels = labels_two_pass(
                pixels, maps, present, self.high, self.low, par=self.par, num_slots=maps.shape[1]
            )
        return to_class_ids(labels, classes)
