"""Comparison of CAM methods on one trained classifier: names, quality and cost of each method."""

import time
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import torch
from mmengine.config import Config
from rich.console import Console
from rich.progress import track

from mmwsss.evaluation import CAMMetric
from mmwsss.models.cams import cam_methods
from mmwsss.registry import METRICS
from mmwsss.structures import WSSSDataSample
from mmwsss.utils.io import read_rgb
from mmwsss.utils.memory import peak_memory, reset_peak_memory

Pictures = dict[tuple[int, int], dict[str, Any]]  # (number of an image, class) -> row


def method_of(name: str) -> dict[str, Any] | None:
    """CAM method and refinement of a name; None for the config's own.

    Args:
        name (str): ``'config'``, ``'acr'`` or a key of :func:`cam_methods`, the latter also with
            ``+aff``.

    Returns:
        dict | None: ``cam``, the config of the method, and ``refine`` (bool).

    Raises:
        ValueError: The method is unknown. The message lists the names.
    """
    if name == 'config':
        return None
    base, plus, suffix = ('acr_star+aff' if name == 'acr' else name).partition('+')
    methods = cam_methods()
    if base not in methods or (plus and suffix != 'aff'):
        raise ValueError(
            f'--methods: unknown {name!r}; methods: config, acr, {", ".join(methods)}, each also '
            f'with +aff'
        )
    return dict(cam=methods[base], refine=bool(plus))


def metric_of(config: Config, dataset: Any) -> CAMMetric:
    """The CAM metric of the config, at thresholds up to 0.99 if it has none.

    Args:
        config (Config): Config of the classifier.
        dataset (BaseDataset): Images that are evaluated.

    Returns:
        CAMMetric: Without any image counted.
    """
    evaluators = config.get('test_evaluator') or []
    evaluators = evaluators if isinstance(evaluators, (list, tuple)) else [evaluators]
    found = [dict(entry) for entry in evaluators if entry['type'].endswith('CAMMetric')]
    settings = (
        found[0]
        if found
        else dict(type='mmwsss.CAMMetric', thresholds=[step / 100 for step in range(100)])
    )
    metric = METRICS.build(dict(settings, out_file=None))
    metric.dataset_meta = dataset.metainfo
    return metric


class Cost(NamedTuple):
    """What the images of one process took.

    Attributes:
        seconds: Of the network alone.
        num_images: Images.
        memory: MiB above what was in use before.
    """

    seconds: float
    num_images: int
    memory: float


def predict(
    model: Any,
    images: Iterable[tuple[int, Any]],
    metric: CAMMetric,
    pictures: Pictures,
    num_pictures: int,
    name: str,
    console: Console,
) -> Cost:
    """Predict images with one method and count them.

    Args:
        model (TagClassifier): Set to the method.
        images (Iterable): Pairs of the number of an image and its batch.
        metric (CAMMetric): Counts the maps.
        pictures (dict): ``{(number, class): row}`` of :func:`draw_cam_grid`; the maps of this
            method are added.
        num_pictures (int): Rows that are collected.
        name (str): Of the method, the title of its column.
        console (Console): Shows the progress.

    Returns:
        Cost
    """
    device = next(model.parameters()).device
    seconds, num_images, before = 0.0, 0, reset_peak_memory(device)
    for number, data in track(images, description=name, console=console, transient=True):
        began = time.perf_counter()
        with torch.no_grad():
            (sample,) = model.test_step(data)
        if device.type == 'cuda':
            torch.cuda.synchronize(device)
        seconds += time.perf_counter() - began
        num_images += 1
        metric.process(None, [sample.to_dict()])
        collect(sample, number, metric.classes, pictures, num_pictures, name)
    return Cost(seconds, num_images, (peak_memory(device) - before) / 2**20)


def summarize(metric: CAMMetric, num_images: int, costs: Sequence[Cost]) -> dict[str, float]:
    """Quality in percent, threshold, images per second of all processes, MiB of the largest.

    Args:
        metric (CAMMetric): Has counted the images of all processes.
        num_images (int): Their number.
        costs (Sequence[Cost]): One of each process.

    Returns:
        dict: ``mIoU``, ``FP``, ``FN``, ``threshold``, ``images_per_s`` and ``MiB``.
    """
    scores = metric.summarize(num_images)
    prefix = f'{metric.prefix}/' if metric.prefix else ''
    return dict(
        mIoU=scores[f'{prefix}mIoU'],
        FP=scores[f'{prefix}FP'],
        FN=scores[f'{prefix}FN'],
        threshold=scores[f'{prefix}best_threshold'],
        images_per_s=sum(cost.num_images / cost.seconds for cost in costs if cost.num_images),
        MiB=max(cost.memory for cost in costs),
    )


def collect(
    sample: WSSSDataSample,
    number: int,
    classes: Sequence[str],
    pictures: Pictures,
    num_pictures: int,
    name: str,
) -> None:
    """Add the maps of a sample to rows of the picture, and new rows while there is room.

    Args:
        sample (WSSSDataSample): With ``pred_cams`` (K,H,W), ``cam_keys`` (K ids) and
            ``gt_sem_seg`` (1,H,W).
        number (int): Of its image.
        classes (Sequence[str]): Names, background first.
        pictures (dict): ``{(number, class): row}`` of :func:`draw_cam_grid`.
        num_pictures (int): Rows that are collected.
        name (str): Title of the column.
    """
    for key, cam in zip(sample.cam_keys, sample.pred_cams.data.cpu().numpy()):
        place = (number, int(key))
        if place not in pictures and len(pictures) < num_pictures:
            pictures[place] = dict(
                id=f'{sample.img_id}: {classes[key + 1]}',
                image=read_rgb(sample.img_path, raw=sample.metainfo.get('raw_pixels', False)),
                gt=sample.gt_sem_seg.data[0].cpu().numpy(),
                cams=[],
            )
        if place in pictures:
            pictures[place]['cams'].append((name, cam))
