"""What a device does with the real configs: training steps, maps by batch, and feeding it."""

import tempfile
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.dataset import Compose
from torch.utils.data import DataLoader, Dataset
from torch.utils.flop_counter import FlopCounterMode

import mmwsss.engine.hooks  # noqa: F401  registers the components
import mmwsss.models  # noqa: F401
from mmwsss.apis import load_config
from mmwsss.apis.profiling import matmul_peak, median_time, profile_step, synthetic_batch
from mmwsss.datasets import stack_collate
from mmwsss.registry import MODELS
from mmwsss.structures import WSSSDataSample
from mmwsss.utils.pool import available_cores

from . import Table
from .loaders import CONFIGS, SIZE, generated_items
from .mctformer import untrained

METHODS = (
    'mctformer_plus_voc',
    'aream_voc',
    'acr_voc',
    'mcc_voc',
    'toco_voc',
    'cosa_voc',
    'psa_voc',
    'irn_voc',
    'deeplabv2_r101_voc_pseudo',
    'upernet_swin-b_voc_pseudo',
)
SMALL_METHODS = ('mctformer_plus_toy', 'cosa_toy', 'irn_toy')
CPU_BATCH = 2
BATCHES = {'cpu': (1, 2, 4), 'cuda': (1, 2, 4, 8, 16, 32)}
SCALES = (1, 0.75, 1.25)
FED = ('mctformer_plus_voc', 'mcc_voc', 'cosa_voc')


def steps(device: torch.device, quick: bool) -> Table:
    """Training steps of every method's config on random bytes: images per second, share of the
    matmul peak, waits; float32 everywhere, on a GPU bfloat16 too.
    """
    precisions = ('fp32', 'bf16') if device.type == 'cuda' else ('fp32',)
    table: Table = {}
    for name in SMALL_METHODS if quick else METHODS:
        config = load_config(CONFIGS / f'{name}.py')
        config.model.backbone.init_cfg = None
        batch_size = config.train_dataloader.batch_size if device.type == 'cuda' else CPU_BATCH
        for precision in precisions:
            table[f'{name} {precision}'] = one_step(config, device, batch_size, precision)
    return table


def one_step(
    config: Config, device: torch.device, batch_size: int, precision: str
) -> dict[str, float | str]:
    """A training step of a config with random weights."""
    torch.manual_seed(0)
    model = MODELS.build(config.model).to(device)
    result = profile_step(
        config, model, synthetic_batch(config, batch_size), precision=precision, rounds=3
    )
    return dict(
        batch=batch_size,
        step_ms=result['step_ms'],
        images_per_s=1e3 * batch_size / result['step_ms'],
        matmul_share=result['fraction'],
        waits='no device' if result['waits'] is None else result['waits'],
        peak_mib=result.get('peak_mib', ''),
    )


def cams(device: torch.device, quick: bool) -> Table:
    """Maps of MCTformer+ on images of 500 x 375 pixels, three scales with flips, by batch size:
    images per second, and the share of the matmul peak.
    """
    model = untrained(device, quick).eval()
    size = (60, 80) if quick else SIZE
    peak = matmul_peak(device, torch.float32)
    table: Table = {}
    for batch_size in BATCHES.get(device.type, BATCHES['cpu']):
        data = prediction_data(size, batch_size)
        with FlopCounterMode(display=False) as counter:
            model.test_step(data)
        seconds = median_time(lambda data=data: model.test_step(data), device, rounds=3)
        table[f'batch {batch_size}'] = dict(
            images_per_s=batch_size / seconds,
            matmul_share=counter.get_total_flops() / seconds / peak,
        )
    return table


def prediction_data(size: tuple[int, int], batch_size: int) -> dict[str, Any]:
    """Collated images of random bytes at three scales, with two tags each."""
    views = [
        torch.randint(0, 256, (batch_size, 3, *(round(s * scale) for s in size)), dtype=torch.uint8)
        for scale in SCALES
    ]
    tags = torch.zeros(20)
    tags[[3, 14]] = 1
    samples = [
        WSSSDataSample(metainfo=dict(ori_shape=size)).set_gt_tags(tags) for _ in range(batch_size)
    ]
    return dict(inputs=[list(view) for view in views], data_samples=samples)


class Photos(Dataset):
    """Generated items through a training pipeline; some of them, again and again.

    Args:
        pipeline (list[dict]): Transforms.
        infos (list[dict]): Of the items.
        length (int): How many items there seem to be.
    """

    def __init__(self, pipeline: list[dict], infos: list[dict], length: int) -> None:
        self.pipeline, self.infos, self.length = Compose(pipeline), infos, length

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> Any:
        return self.pipeline(dict(self.infos[index % len(self.infos)]))


def feed(device: torch.device, quick: bool) -> Table:
    """Images per second that worker processes load, stack and send to the device, where they are
    normalised.
    """
    size, photos, workers = ((96, 128), 2, 0) if quick else (SIZE, 8, available_cores())
    batch_size, batches = (2, 1) if quick else (16, 20)
    table: Table = {}
    with tempfile.TemporaryDirectory() as folder:
        infos = generated_items(Path(folder), size, photos)
        for name in FED:
            config = load_config(CONFIGS / f'{name}.py')
            rate = images_per_second(config, infos, device, (batch_size, batches), workers)
            table[name] = dict(workers=workers, images_per_s=rate)
    return table


def images_per_second(
    config: Config, infos: list[dict], device: torch.device, size: tuple[int, int], workers: int
) -> float:
    """Of the loader of a config; ``size``: images of a batch, and batches of an epoch."""
    batch_size, batches = size
    dataset = config.train_dataloader.dataset
    loader = DataLoader(
        Photos(dataset.pipeline, infos, batches * batch_size),
        batch_size,
        num_workers=workers,
        collate_fn=stack_collate,
        pin_memory=device.type == 'cuda',
        persistent_workers=workers > 0,
    )
    plain = dict(type='mmwsss.ViewsDataPreprocessor')  # what classifiers have by default
    preprocess = MODELS.build(config.model.get('data_preprocessor', plain)).to(device)

    def epoch() -> None:
        for batch in loader:
            preprocess(batch, True)

    # median_time calls it twice before it measures: workers have started by then
    return batches * batch_size / median_time(epoch, device, rounds=1)
