"""Parameters, multiply-adds and speed of a network (MCTformer+, Table 5; CoSA, Table 4c)."""

import time
from typing import NamedTuple

import numpy as np
import torch
from mmengine.model import BaseModel
from mmengine.structures import PixelData
from torch.utils.flop_counter import FlopCounterMode

from mmwsss.models.algorithms import SingleStage, TagClassifier
from mmwsss.models.refiners import DenseCRF
from mmwsss.structures import WSSSDataSample


class Complexity(NamedTuple):
    """Cost of a network.

    Attributes:
        parameters: Number of parameters of the part that predicts, in millions.
        macs: Multiply-adds of one pass over one image, in billions: matrix products, convolutions
            and attention, as is usual.
        images_per_s: Predictions per second with all test settings of the config; None if not
            measured.
        images_per_s_crf: The same followed by a dense CRF; None if not measured.
    """

    parameters: float
    macs: float
    images_per_s: float | None
    images_per_s_crf: float | None


def measure_complexity(
    model: BaseModel,
    size: tuple[int, int],
    *,
    repeats: int = 0,
    crf: str | None = None,
    num_tags: int = 2,
) -> Complexity:
    """Count and time a model in evaluation mode.

    Args:
        model: Any classifier or segmentation network of the toolbox, on the device to time.
        size: (H,W) of the image.
        repeats: Number of timed predictions, after one warm-up prediction; 0 for none.
        crf: Preset of :class:`DenseCRF`, also timed after the predictions.
        num_tags: Number of tags of the image, whose maps are computed.

    Returns:
        Complexity

    Raises:
        ValueError: A CRF is requested for a model that does not segment.
    """
    network = model.predictor() if hasattr(model, 'predictor') else model
    device = next(model.parameters()).device
    image = torch.randn(1, 3, *size, generator=torch.Generator().manual_seed(0)).to(device)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        _single_pass(network, image)
    millions = sum(parameter.numel() for parameter in _predicting(network)) / 1e6
    plain = with_crf = None
    if repeats:
        plain = _speed(model, size, repeats, num_tags, None)
        with_crf = None if crf is None else _speed(model, size, repeats, num_tags, crf)
    return Complexity(millions, counter.get_total_flops() / 2e9, plain, with_crf)


def _predicting(network: BaseModel) -> list[torch.nn.Parameter]:
    """Parameters except for those that only training uses: the averaged copy of a network,
    projectors and auxiliary heads.
    """
    skipped = ('assignment.', 'teacher', 'momentum', 'projector', 'auxiliary_head')
    return [
        parameter for name, parameter in network.named_parameters() if not name.startswith(skipped)
    ]


def _single_pass(network: BaseModel, image: torch.Tensor) -> None:
    """One forward pass of a view through all modules that have parameters at test time."""
    if isinstance(network, SingleStage):
        features = network.features(image)
        network.raw_cams(features)
        network.seg_logits(features)
    elif isinstance(network, TagClassifier):
        network.scores_of(network.extract(network.whole_patches(image)))
    else:
        network(image, None, mode='tensor')


def _speed(
    model: BaseModel, size: tuple[int, int], repeats: int, num_tags: int, preset: str | None
) -> float:
    """Images per second of :meth:`test_step`, without the first one."""
    pixels = torch.randint(
        0, 256, (3, *size), generator=torch.Generator().manual_seed(0), dtype=torch.uint8
    )
    device, seconds = next(model.parameters()).device, 0.0
    crf = None if preset is None else DenseCRF(preset=preset)
    for number in range(repeats + 1):
        sample = blank_sample(model, size, num_tags)
        _wait(device)
        began = time.perf_counter()
        with torch.no_grad():
            (result,) = model.test_step(dict(inputs=[pixels], data_samples=[sample]))
        if crf is not None:
            if 'seg_logits' not in result:
                raise ValueError(f'{type(model).__name__} segments nothing: leave out the CRF')
            probs = result.seg_logits.data.softmax(0).cpu().numpy()
            crf(np.ascontiguousarray(pixels.permute(1, 2, 0).numpy()), probs)
        _wait(device)
        seconds += (time.perf_counter() - began) if number else 0.0
    return repeats / seconds


def blank_sample(model: BaseModel, size: tuple[int, int], num_tags: int) -> WSSSDataSample:
    """Sample of an image with the first ``num_tags`` classes and a mask of background."""
    sample = WSSSDataSample(metainfo=dict(ori_shape=size, img_shape=size, pad_shape=size))
    if hasattr(model, 'num_classes'):
        tags = torch.zeros(model.num_classes)
        tags[:num_tags] = 1
        sample.set_gt_tags(tags)
    sample.gt_sem_seg = PixelData(data=torch.zeros(1, *size, dtype=torch.int64))
    return sample


def _wait(device: torch.device) -> None:
    if device.type == 'cuda':
        torch.cuda.synchronize(device)
