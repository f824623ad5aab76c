"""Cost of a training step: loading, host, device, synchronisations, and the fraction of the peak of
the device.
"""

import copy
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from mmengine.model import BaseModel
from mmengine.optim import OptimWrapper, build_optim_wrapper
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from mmwsss.registry import DATASETS
from mmwsss.structures import WSSSDataSample

MATMUL_SIDE = {'cpu': 1024, 'cuda': 8192}
DTYPES = dict(fp32=torch.float32, fp16=torch.float16, bf16=torch.bfloat16)
AFFINITY_STRIDES = dict(AffinityNet=8, IRNet=4)


def synthetic_batch(config: Config, batch_size: int) -> dict[str, Any]:
    """A collated training batch of random bytes in the shapes of a config's pipeline.

    Args:
        config (Config): A training config.
        batch_size (int): B.

    Returns:
        dict: ``inputs`` and ``data_samples``, as returned by the data loader.
    """
    pipeline = config.train_dataloader.dataset.pipeline
    height, width = _crop_size(pipeline)
    kind = config.model.type.rpartition('.')[2]
    num_views = next(
        (len(step['views']) for step in pipeline if step['type'].endswith('MultiViews')), 1
    )

    def images() -> list[Tensor]:
        return list(torch.randint(0, 256, (batch_size, 3, height, width), dtype=torch.uint8))

    views = [images() for _ in range(num_views)]
    meta = dict(img_shape=(height, width), ori_shape=(height, width), img_path='synthetic')
    samples: list[SegDataSample] = []
    for index in range(batch_size):
        if 'num_classes' not in config.model and kind not in AFFINITY_STRIDES:
            sample = SegDataSample(metainfo=meta)
            classes = config.model.decode_head.num_classes
            sample.gt_sem_seg = PixelData(data=torch.randint(0, classes, (1, height, width)))
        else:
            sample = WSSSDataSample(metainfo=dict(meta, img_box=(0, height, 0, width)))
            if kind in AFFINITY_STRIDES:
                stride = AFFINITY_STRIDES[kind]
                label = torch.randint(0, 3, (1, height // stride, width // stride))
                sample.set_data(dict(affinity_label=PixelData(data=label)))
            else:
                tags = torch.zeros(config.model.num_classes)
                tags[[index % len(tags), (index + 3) % len(tags)]] = 1
                sample.set_gt_tags(tags)
        samples.append(sample)
    return dict(inputs=views if num_views > 1 else views[0], data_samples=samples)


def _crop_size(pipeline: list[dict]) -> tuple[int, int]:
    """(H,W) after the last cropping step of a pipeline."""
    found: tuple[int, int] | None = None
    for step in pipeline:
        if 'base' in step:
            found = _crop_size(step['base'])
        elif 'crop_size' in step:
            found = tuple(step['crop_size'])
        elif step['type'].endswith(('RandomResizedCrop', 'RandomCrop')):
            side: Any = step.get('scale', step.get('crop_size'))
            found = (side, side) if isinstance(side, int) else (side[0], side[1])
    if found is None:
        raise ValueError('the training pipeline has no step that crops to one size')
    return found


def loader_cost(config: Config, items: int = 20) -> dict[str, float]:
    """CPU milliseconds of each transform for an item of the training data, and their ``total``.

    The CPU time of this process is measured, which other programs on the machine affect less than
    the wall time.

    Args:
        config (Config): Config whose training data must exist.
        items (int): Number of items to average over, after two warm-up items.

    Raises:
        FileNotFoundError: The data are missing.
    """
    dataset = DATASETS.build(config.train_dataloader.dataset)
    infos = [dataset.get_data_info(number % len(dataset)) for number in range(items + 2)]
    return pipeline_cost(dataset.pipeline.transforms, infos)


def pipeline_cost(
    steps: Sequence[Callable[[Any], Any]], infos: Sequence[dict[str, Any]], warm_up: int = 2
) -> dict[str, float]:
    """CPU milliseconds of each transform per item, and their ``total``.

    Args:
        steps (Sequence[Callable]): Transforms.
        infos (Sequence[dict]): Information of each item, as a data set provides it.
        warm_up (int): Number of items at the beginning that are not counted.
    """
    costs: dict[str, float] = {}
    for number, info in enumerate(infos):
        data: Any = copy.deepcopy(info)
        for step in steps:
            began = time.process_time()
            data = step(data)
            if number >= warm_up:
                name = type(step).__name__
                costs[name] = costs.get(name, 0.0) + time.process_time() - began
    counted = len(infos) - warm_up
    result = {name: 1e3 * seconds / counted for name, seconds in costs.items()}
    return dict(result, total=sum(result.values()))


def matmul_peak(device: torch.device, dtype: torch.dtype) -> float:
    """Operations per second of a large matrix product, the peak to which a step is compared."""
    side = MATMUL_SIDE.get(device.type, 1024)
    a, b = (torch.randn(side, side, device=device, dtype=dtype) for _ in range(2))
    return 2 * side**3 / median_time(lambda: a @ b, device, rounds=7)


def median_time(call: Callable[[], Any], device: torch.device, rounds: int = 5) -> float:
    """Median seconds of a call, including all work that it started on the device."""
    seconds = []
    for _ in range(rounds + 2):
        synchronize(device)
        began = time.perf_counter()
        call()
        synchronize(device)
        seconds.append(time.perf_counter() - began)
    return float(np.median(seconds[2:]))


def synchronize(device: torch.device) -> None:
    """Wait for a device."""
    if device.type == 'cuda':
        torch.cuda.synchronize(device)


@contextmanager
def count_waits(device: torch.device) -> Iterator[list[str]]:
    """Source lines at which the host waits for a GPU, as reported by PyTorch; none on a CPU."""
    places: list[str] = []
    if device.type != 'cuda':
        yield places
        return
    torch.cuda.set_sync_debug_mode('warn')
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter('always')
            yield places
    finally:
        torch.cuda.set_sync_debug_mode('default')
    places += [
        f'{warning.filename}:{warning.lineno}'
        for warning in caught
        if 'synchronizing' in str(warning.message)
    ]


def optimizer_of(config: Config, model: nn.Module, precision: str) -> OptimWrapper:
    """The optimizer of a config in a precision: ``'fp32'``, ``'fp16'`` or ``'bf16'``."""
    options = config.optim_wrapper.to_dict()
    for key in ('type', 'loss_scale', 'dtype', 'accumulative_counts'):
        options.pop(key, None)
    if precision == 'fp32':
        return build_optim_wrapper(model, dict(options, type='mmengine.OptimWrapper'))
    return build_optim_wrapper(
        model,
        dict(
            options,
            type='mmengine.AmpOptimWrapper',
            dtype=dict(fp16='float16', bf16='bfloat16')[precision],
            loss_scale='dynamic' if precision == 'fp16' else 1.0,
        ),
    )


def profile_step(
    config: Config,
    model: BaseModel,
    batch: dict[str, Any],
    *,
    precision: str = 'fp32',
    rounds: int = 5,
) -> dict[str, Any]:
    """Cost of a training step.

    Args:
        config (Config): Config of the model.
        model (BaseModel): Model on its device.
        batch (dict): Collated training batch.
        precision (str): ``'fp32'``, ``'fp16'`` or ``'bf16'``.
        rounds (int): Number of steps of which the median is taken.

    Returns:
        dict: ``step_ms``; ``host_ms`` until everything is queued; ``waits``, the number of
            synchronisations of a step, and ``wait_places``; ``tflops`` (10^12 operations of
            products and convolutions in a step, from
        PyTorch's counter); ``peak_tflops`` (10^12 per second of a product of large matrices in the
        same precision); ``fraction`` of that peak; ``peak_mib`` (GPU only); ``losses``.
    """
    device = next(model.parameters()).device
    model.train()
    if hasattr(model, 'update_schedule'):  # switch all losses on
        model.update_schedule(epoch=10**6, iteration=10**9)
    optimizer = optimizer_of(config, model, precision)
    losses: dict[str, Tensor] = {}

    def step() -> None:
        losses.update(model.train_step(batch, optimizer))

    step()
    with FlopCounterMode(display=False) as counter:
        step()
    if device.type == 'cuda':
        torch.cuda.reset_peak_memory_stats(device)
    seconds = median_time(step, device, rounds)
    began = time.perf_counter()
    step()
    host = time.perf_counter() - began
    synchronize(device)
    with count_waits(device) as places:
        step()
    operations = counter.get_total_flops()
    peak = matmul_peak(device, DTYPES[precision])
    result = dict(
        precision=precision,
        step_ms=1e3 * seconds,
        host_ms=1e3 * host,
        waits=len(places) if device.type == 'cuda' else None,
        wait_places=sorted(set(places)),
        tflops=operations / 1e12,
        peak_tflops=peak / 1e12,
        fraction=operations / seconds / peak,
        losses={name: float(value.detach()) for name, value in losses.items()},
    )
    if device.type == 'cuda':
        result['peak_mib'] = torch.cuda.max_memory_allocated(device) / 2**20
    return result
