"""A background threshold for maps of photos without masks."""

from collections.abc import Iterable
from typing import Any, NamedTuple

import cv2
import numpy as np
import torch

from mmwsss.functional.mixture import fit_threshold
from mmwsss.functional.threshold_survey import SurveyCurves, ThresholdSurvey
from mmwsss.utils.image_io import read_image, shrink
from mmwsss.utils.io import read_cam

RULES = ('contrast', 'mixture', 'area')
SIDE = 320  # side in pixels at which the photos are compared
KEPT = 0.95  # fraction of the tags with an area at the lowest threshold that should keep one


class Suggestion(NamedTuple):
    """A threshold and its effect.

    Attributes:
        threshold: Background threshold.
        rule: Rule that selected it.
        estimates: Threshold of every rule that yields one.
        area: Mean share of a photo that becomes foreground.
        kept: Share of the tags that keep an area.
        curves: Statistics by threshold.
    """

    threshold: float
    rule: str
    estimates: dict[str, float]
    area: float
    kept: float
    curves: SurveyCurves


def survey_maps(entries: Iterable[tuple[str, str]], *, raw_pixels: bool = False) -> ThresholdSurvey:
    """Read maps and photos.

    Args:
        entries: Pairs of CAM file and photo; those without maps are left out.
        raw_pixels: Ignore the EXIF orientation of photos.
    """
    survey = ThresholdSurvey()
    for cams, photo in entries:
        content = read_cam(cams)
        if not len(content.keys):
            continue
        image = shrink(read_image(photo, raw=raw_pixels), SIDE)
        size = image.shape[1::-1]
        maps = np.stack(
            [
                cv2.resize(cam.astype(np.float32), size, interpolation=cv2.INTER_AREA)
                for cam in content.cam
            ]
        )
        survey.add(maps, np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2LAB), np.uint8))
    return survey


def suggest(survey: ThresholdSurvey, *, rule: str = 'contrast', area: float | None = None) -> Any:
    """Select a threshold.

    Args:
        survey: Result of :func:`survey_maps`.
        rule: ``'contrast'``: the cut separates the colours of the photos best; ``'mixture'``: two
            Gaussians fitted to the scores are equally likely (CoSA Eq. 6); ``'area'``: the mean
            share of the foreground is ``area``.
        area: Fraction of a photo that its objects cover, if it is known.

    Returns:
        Suggestion

    Raises:
        ValueError: The rule is unknown, no photo has maps, or the area is missing or outside (0,1).
    """
    if rule not in RULES:
        raise ValueError(f'rule must be one of {RULES}, got {rule!r}')
    if (rule == 'area') != (area is not None):
        raise ValueError('the rule area needs the share of a photo that its objects cover')
    curves, limits = survey.curves(), survey.thresholds
    estimates = dict(contrast=float(limits[curves.contrast.argmax()]))
    counts, edges = survey.histogram, np.concatenate([[0], limits, [1]])
    centres = torch.from_numpy((edges[1:] + edges[:-1]) / 2)
    mixture = fit_threshold(centres, 'kmeans2', counts=torch.from_numpy(counts))
    if mixture is not None:
        estimates['mixture'] = float(mixture[0])
    if area is not None:
        if not 0 < area < 1:
            raise ValueError(f'the area must be between 0 and 1, got {area}')
        estimates['area'] = float(limits[np.abs(curves.area - area).argmin()])
    if rule not in estimates:
        raise ValueError('the scores of the maps have no two groups: choose another rule')
    index = int(np.abs(limits - estimates[rule]).argmin())
    return Suggestion(
        float(limits[index]),
        rule,
        estimates,
        float(curves.area[index]),
        float(curves.kept[index]),
        curves,
    )
