"""Cost of the training pipelines: CPU milliseconds per image, on generated photos of VOC's size.

No data set is needed. CPU time, not the time that passes, so that a busy machine changes it little;
it grows where other programs share caches and memory.
"""

import tempfile
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import Compose

import mmwsss.datasets  # noqa: F401  registers the components
from mmwsss.apis import load_config
from mmwsss.apis.profiling import pipeline_cost
from mmwsss.utils.affinity_io import write_crf_maps
from mmwsss.utils.io import write_mask

from . import Table

CONFIGS = Path(__file__).parents[2] / 'configs'
METHODS = (
    'mctformer_v1_voc',
    'mctformer_plus_voc',
    'aream_voc',
    'acr_voc',
    'mcc_voc',
    'toco_voc',
    'cosa_voc',
    'psa_voc',
    'irn_voc',
    'deeplabv1_r38_voc_pseudo',
    'deeplabv2_r101_voc_pseudo',
    'upernet_swin-b_voc_pseudo',
)
SIZE = (375, 500)
PHOTOS, ITEMS = 8, 200
NUM_TAGS = 20


def loaders(device: torch.device, quick: bool) -> Table:
    """CPU milliseconds per image of the training pipeline of every method, and of its dearest
    steps.
    """
    size, photos, items = ((96, 128), 2, 3) if quick else (SIZE, PHOTOS, ITEMS)
    cv2.setNumThreads(0)  # as in the worker processes of a loader
    torch.set_num_threads(1)
    table: Table = {}
    with tempfile.TemporaryDirectory() as folder:
        infos = generated_items(Path(folder), size, photos)
        for name in METHODS:
            costs = method_cost(load_config(CONFIGS / f'{name}.py'), infos, items)
            dearest = sorted(set(costs) - {'total'}, key=costs.__getitem__)[:-4:-1]
            steps = ', '.join(f'{step} {costs[step]:.1f}' for step in dearest)
            table[name] = dict(cpu_ms=costs['total'], dearest=steps)
    return table


def method_cost(config: Config, infos: list[dict[str, Any]], items: int) -> dict[str, float]:
    """CPU milliseconds of each step of the training pipeline of a config."""
    np.random.seed(0)
    torch.manual_seed(0)
    dataset = config.train_dataloader.dataset
    suffix = '.npz' if config.model.type.endswith('AffinityNet') else '.png'
    chosen = [
        dict(infos[number % len(infos)], affinity_path=infos[number % len(infos)][suffix])
        for number in range(items + 2)
    ]
    return pipeline_cost(Compose(dataset.pipeline).transforms, chosen)


def generated_items(folder: Path, size: tuple[int, int], number: int) -> list[dict[str, Any]]:
    """Photos with labels of every kind, and their information as data sets give it."""
    rng = np.random.default_rng(0)
    items = []
    for index in range(number):
        shapes = cv2.resize(rng.integers(0, 256, (24, 32, 3), np.uint8), size[::-1])
        noise = rng.normal(0, 8, shapes.shape)  # makes files as large as those of VOC
        photo, mask = folder / f'{index}.jpg', folder / f'{index}.png'
        cv2.imwrite(str(photo), np.clip(shapes + noise, 0, 255).astype(np.uint8))
        write_mask(mask, (shapes[..., 0] > 128).astype(np.uint8) * (1 + index % NUM_TAGS))
        scores = rng.random((2, *size), np.float32)
        write_crf_maps(folder / f'{index}.npz', [index % NUM_TAGS], scores, scores)
        items.append(
            {
                'img_id': str(index),
                'img_path': str(photo),
                'raw_pixels': True,
                'gt_tags': [index % NUM_TAGS],
                'num_tags': NUM_TAGS,
                'seg_map_path': str(mask),
                'reduce_zero_label': False,
                'label_map': None,
                'seg_fields': [],
                '.png': str(mask),
                '.npz': str(folder / f'{index}.npz'),
            }
        )
    return items
