"""Comparison of the settings of a refiner on images with masks, in one pass over the files.

Computations that settings share run once per image: the features and affinities of the network, the
transition matrix of an exponent, one walk that is evaluated after each number of steps, and the
lattice of a dense CRF. A walk is linear, so that the background score, a constant that is
propagated as well, costs only a column of a histogram.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, product
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from mmwsss.functional.affinity import background_plane
from mmwsss.functional.confusion import (
    ClassAreas,
    class_areas,
    class_iou,
    confusion_matrix,
    mean_over_classes,
)
from mmwsss.functional.crf import background_alpha
from mmwsss.functional.pseudo_labels import IGNORE, to_class_ids
from mmwsss.functional.thresholds import areas_from_counts, make_thresholds, sweep_counts
from mmwsss.models.affinity import AffinityPropagator
from mmwsss.models.refiners import DenseCRF
from mmwsss.utils.cli_options import parse_value
from mmwsss.utils.io import atomic_open, read_cam_and_image, read_mask, swap_channels
from mmwsss.utils.names import output_path

# options of each method in their order, with their default values
OPTIONS: dict[str, dict[str, Any]] = dict(
    threshold=dict(background=0.4),
    crf=dict(preset='psa', background=0.4),
    psa=dict(preset=None, beta=8, log2_steps=6, background=0.39),
    irn=dict(preset=None, beta=10, log2_steps=8, background=0.25),
    labels=dict(preset='psa', low_alpha=1, high_alpha=12),
)
NETWORKS = ('psa', 'irn')
Setting = dict[str, Any]
Values = Mapping[str, Sequence[Any]]


class Scores(NamedTuple):
    """Foreground against background of one image, for one or several settings.

    Attributes:
        maps: (K,H,W) scores of the classes of the image.
        plane: (H,W) score of a background of 1.
        levels: Background scores at which the two are compared.
    """

    maps: Tensor
    plane: Tensor
    levels: tuple[float, ...]


def parse_values(words: Iterable[str], method: str) -> dict[str, list[Any]]:
    """Values of each option from the words of a command line.

    Args:
        words: ``option=1,2,4``, ``option=START:STOP:STEP`` (STOP is excluded) or
            ``background=alpha:4,alpha:8``.
        method: Key of :data:`OPTIONS`.

    Returns:
        All options of the method in the order in which they vary, the last one fastest.

    Raises:
        ValueError: An option is unknown, or a value is invalid. The message names it.
    """
    known = OPTIONS[method]
    given: dict[str, list[Any]] = {}
    for word in words:
        name, _, text = word.partition('=')
        if name not in known:
            raise ValueError(
                f'--values {word}: {method} has no option {name!r} to choose; options: '
                f'{", ".join(known)}'
            )
        values = (_values(word, part) for part in text.split(','))
        unique = list(dict.fromkeys(chain.from_iterable(values)))
        given[name] = unique if name == 'preset' else sorted(unique, key=_order)
    return {name: given.get(name, [default]) for name, default in known.items()}


def _values(word: str, part: str) -> list[Any]:
    """Value of an element of a list, or values of a range."""
    pieces = part.split(':')
    try:
        if pieces[0] == 'alpha' and len(pieces) == 2:
            return [('alpha', float(pieces[1]))]
        if len(pieces) == 3:
            start, stop, step = map(float, pieces)
            count = math.ceil((stop - start) / step - 1e-6)
            steps = [round(start + index * step, 10) for index in range(count)]
            return [int(value) if value.is_integer() else value for value in steps]
    except (ValueError, ZeroDivisionError):
        pieces = []
    if len(pieces) != 1 or not part:
        raise ValueError(f'--values {word}: {part!r} is neither a value nor START:STOP:STEP')
    value = parse_value(part)
    if isinstance(value, str) != word.startswith('preset='):
        raise ValueError(f'--values {word}: {part!r} is not a valid value of this option')
    if word.startswith('log2_steps=') and not isinstance(value, int):
        raise ValueError(f'--values {word}: a walk has 2^N steps, N is a whole number')
    return [value]


def _order(value: Any) -> tuple[bool, Any]:
    """Constants before exponents, both ascending."""
    return isinstance(value, tuple), value


class MaskSweep:
    """Counts the correct pixels of each setting.

    Args:
        method: ``'threshold'``, ``'crf'``, ``'psa'``, ``'irn'``, or ``'labels'`` for the training
            labels of PSA.
        values: Values of each option, see :func:`parse_values`; every combination is a setting.
        num_classes: Number of classes including background.
        network: Network of ``'psa'`` and ``'irn'``, in evaluation mode.

    Raises:
        ValueError: The network has another type, or the method does not support the background.
    """

    def __init__(
        self,
        method: str,
        values: Values,
        num_classes: int,
        network: AffinityPropagator | None = None,
    ) -> None:
        self.method, self.values, self.num_classes = method, dict(values), num_classes
        self.network = network
        self.settings: list[Setting] = [
            dict(zip(values, chosen)) for chosen in product(*values.values())
        ]
        backgrounds = values.get('background', ())
        self.constants = tuple(value for value in backgrounds if not isinstance(value, tuple))
        self.alphas = tuple(value for value in backgrounds if isinstance(value, tuple))
        if self.alphas and method == 'irn':
            raise ValueError('irn has a constant background only, not alpha:A')
        if method == 'labels' and max(values['low_alpha']) >= min(values['high_alpha']):
            raise ValueError('every low_alpha must be below every high_alpha')

    def count(self, image: np.ndarray, cams: Tensor, keys: Sequence[int], gt: Tensor) -> Tensor:
        """Numbers of hit, predicted and labelled pixels of one image for each setting.

        Args:
            image: (H,W,3) uint8 RGB.
            cams: (K,H,W) of the classes of the image, ascending.
            keys: Ids of the classes, 0-based.
            gt: (H,W) labels, 255 ignored.

        Returns:
            Tensor: (S,3,C) int64, S settings in the order of :attr:`settings`.
        """
        if not len(keys):
            background = torch.zeros_like(gt)
            return self._of_labels(background, gt).expand(len(self.settings), -1, -1)
        if self.method == 'labels':
            return torch.stack(list(self._labels(image, cams, keys, gt)))
        if self.method == 'threshold':
            groups: Iterable[list[Scores]] = [self._of_seeds(cams)]
        elif self.method == 'crf':
            seeds = [
                torch.cat([background_plane(cams, b), cams]) for b in self.values['background']
            ]
            groups = (_refined(preset, image, seeds) for preset in self.values['preset'])
        else:
            groups = self._walks(image, cams)
        counts = [self._of_scores(scores, keys, gt) for scores in chain.from_iterable(groups)]
        return torch.cat(counts)

    def _of_labels(self, labels: Tensor, gt: Tensor) -> Tensor:
        """(3,C) of a label map; uncertain pixels are labelled, but not predicted."""
        confusion = confusion_matrix(labels, gt, self.num_classes)
        hit, predicted, _ = class_areas(confusion[:, :-1])
        return torch.stack([hit, predicted, confusion.sum(1)])

    def _of_scores(self, scores: Scores, keys: Sequence[int], gt: Tensor) -> Tensor:
        """(n,3,C) at the n levels of the background."""
        ratio = scores.maps / scores.plane.clamp_min(1e-12)
        counts = sweep_counts(ratio, keys, gt, make_thresholds(scores.levels), self.num_classes)
        return torch.stack(areas_from_counts(counts), 1)

    def _of_seeds(self, cams: Tensor) -> list[Scores]:
        planes = [background_plane(cams, alpha)[0] for alpha in self.alphas]
        return self._against(cams, [torch.ones_like(cams[0]), *planes])

    def _against(self, maps: Tensor, planes: Sequence[Tensor]) -> list[Scores]:
        """Comparison of the maps with the constants of the first plane, then with each other plane
        unchanged.
        """
        constants = [Scores(maps, planes[0], self.constants)] if self.constants else []
        return [*constants, *(Scores(maps, plane, (1.0,)) for plane in planes[1:])]

    @staticmethod
    def _with_background(scores: Scores) -> Iterator[Tensor]:
        """Background plane and maps, one stack for each background score."""
        for level in scores.levels:
            yield torch.cat([level * scores.plane[None], scores.maps])

    def _walks(self, image: np.ndarray, cams: Tensor) -> Iterator[list[Scores]]:
        """Scores of each exponent and number of steps; refined by each CRF, if any."""
        walked = [list(self._walked(image, cams))] if any(self.values['preset']) else []
        for preset in self.values['preset']:
            for group in walked[0] if walked else self._walked(image, cams):
                if preset is None:
                    yield group
                    continue
                stacks = chain.from_iterable(map(self._with_background, group))
                probabilities = [stack / stack.sum(0).clamp_min(1e-5) for stack in stacks]
                yield _refined(preset, image, probabilities)

    def _walked(self, image: np.ndarray, cams: Tensor) -> Iterator[list[Scores]]:
        network: Any = self.network
        bgr = torch.from_numpy(swap_channels(image)).permute(2, 0, 1)
        inputs = network.data_preprocessor(dict(inputs=[bgr]), False)['inputs'][0]
        pixels, maps = network.prepare(inputs, cams.to(inputs.device))
        options = dict(betas=self.values['beta'], log2_steps=self.values['log2_steps'])
        if self.method == 'irn':
            for scores in network.walks(pixels, maps, **options):
                scores = scores.to(cams.device)
                yield self._against(scores, [torch.ones_like(scores[0])])
            return
        backgrounds: tuple[float | tuple[str, float], ...] = (1.0, *self.alphas)
        planes = [background_plane(maps, background) for background in backgrounds]
        for scores in network.walks(pixels, torch.cat([maps, *planes]), **options):
            scores = scores.to(cams.device)
            yield self._against(scores[: len(maps)], list(scores[len(maps) :]))

    def _labels(
        self, image: np.ndarray, cams: Tensor, keys: Sequence[int], gt: Tensor
    ) -> Iterator[Tensor]:
        """Labels of PSA: classes from the strong background, background from the weak one."""
        names = torch.as_tensor(keys)
        lows, highs = self.values['low_alpha'], self.values['high_alpha']
        stacks = [background_alpha(cams, alpha) for alpha in (*lows, *highs)]
        for preset in self.values['preset']:
            slots = [scores.argmax(0) for scores in DenseCRF(preset).refine_many(image, stacks)]
            for low, high in product(slots[: len(lows)], slots[len(lows) :]):
                label = low.masked_fill(low == 0, IGNORE).masked_fill(high == 0, 0)
                yield self._of_labels(to_class_ids(label, names), gt)


def _refined(preset: str, image: np.ndarray, stacks: Sequence[Tensor]) -> list[Scores]:
    """Marginals of a dense CRF, compared with the background of each."""
    return [
        Scores(scores[1:], scores[0], (1.0,))
        for scores in DenseCRF(preset).refine_many(image, stacks)
    ]


@dataclass
class ImageCounter:
    """Writes the counts of an image, ``<out>/<id>.npz``; can be sent to worker processes.

    Attributes:
        out: Output folder of the counts.
        sweep: Sweep with the settings.
        raw_pixels: Ignore the EXIF orientation of images, as the maps of VOC and COCO do.
    """

    out: Path
    sweep: MaskSweep
    raw_pixels: bool = False

    def __call__(self, job: tuple[str, Path, Path, Path]) -> str:
        """Count an image.

        Args:
            job: Image id, CAM file, image file, file of the ground truth.

        Raises:
            ValueError: A file is damaged, or the sizes differ. The message names the file.
        """
        img_id, cam_path, image_path, gt_path = job
        num_classes = self.sweep.num_classes
        cams, keys, image = read_cam_and_image(
            cam_path, image_path, num_classes - 1, raw=self.raw_pixels
        )
        order = keys.argsort()
        gt = torch.from_numpy(read_mask(gt_path, num_classes, image.shape[:2]))
        maps = torch.from_numpy(cams[order]).float()
        counts = self.sweep.count(swap_channels(image), maps, keys[order].tolist(), gt)
        with atomic_open(output_path(self.out, img_id, '.npz')) as file:
            np.savez_compressed(file, counts=counts.numpy())
        return img_id


@dataclass
class SweepResult:
    """Results of each setting.

    Attributes:
        settings: Settings of the sweep.
        areas: (S,3,C) sums over the images.
    """

    settings: Sequence[Setting]
    areas: Tensor
    miou: list[float] = field(init=False)

    def __post_init__(self) -> None:
        areas = ClassAreas(*self.areas.unbind(1))
        means = mean_over_classes(class_iou(areas), areas, 'present')
        self.miou = [100 * value for value in means.tolist()]

    @property
    def best(self) -> int:
        """Index of the best setting, the first of equals."""
        return self.miou.index(max(self.miou))

    def at_the_edge(self, values: Values) -> list[str]:
        """Options whose best value is the first or the last of at least three, so that a better
        value may lie outside the range.
        """
        chosen = self.settings[self.best]
        return [
            name
            for name, tried in values.items()
            if len(tried) > 2 and chosen[name] in (tried[0], tried[-1])
        ]


def format_value(value: Any) -> Any:
    """A value as ``tools/refine_cams.py`` reads it."""
    return f'alpha:{value[1]:g}' if isinstance(value, tuple) else value
