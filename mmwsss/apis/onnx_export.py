"""Export of a trained classifier or segmentation network to ONNX, checked against PyTorch."""

import importlib.util
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from mmseg.models.segmentors import EncoderDecoder
from torch import Tensor, nn

from mmwsss.models.algorithms import SingleStage, TagClassifier
from mmwsss.models.algorithms.mctformer_plus import MCTformerPlus
from mmwsss.models.segmentors.msc_segmentor import MSCSegmentor
from mmwsss.structures import WSSSDataSample
from mmwsss.utils.io import atomic_open

PACKAGES = ('onnx', 'onnxscript', 'onnxruntime')
# configs are merged, so that the options of removed maps have to be removed too
OTHER_MAPS = 'model.test_cfg.cam._delete_=True model.test_cfg.cam.type=mmwsss.TSCAM'
TAG_OUTPUTS, SEG_OUTPUTS = ('scores', 'cams'), ('logits', 'labels')


class Export(NamedTuple):
    """Result of :func:`export_onnx`.

    Attributes:
        outputs (dict[str, tuple]): Names and shapes of the outputs.
        differences (dict[str, float]): Largest absolute difference from PyTorch, by output.
    """

    outputs: dict
    differences: dict


class ExportedNetwork(nn.Module):
    """Prediction of a model as a function of the image only, including normalisation, with one
    scale and all classes.

    Classifiers give ``scores`` (B,C) and ``cams`` (B,C,H,W), both in [0,1], with the horizontal
    flip if ``test_cfg`` has it; segmentation networks give ``logits`` (B,K,H,W) and ``labels``
    (B,H,W) int64; single-stage networks give all four.

    Args:
        model (BaseModel): Model in evaluation mode.

    Raises:
        ValueError: The model is neither a classifier nor a segmentation network, or its maps need
            gradients or superpixels, or take part in the segmentation.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.output_names: tuple[str, ...]
        self.is_single_stage = isinstance(model, SingleStage)
        if self.is_single_stage:
            self.output_names = (*TAG_OUTPUTS, *SEG_OUTPUTS)
            given = [
                key for key in ('superpixels', 'seg_maps') if model.test_cfg.get(key) is not None
            ]
            if given:
                options = ' '.join(f'model.test_cfg.{key}=None' for key in given)
                raise ValueError(
                    f'maps averaged over superpixels, and maps that take part in the segmentation, '
                    f'are not exported to ONNX: --cfg-options {options}'
                )
        elif isinstance(model, TagClassifier):
            self.output_names = TAG_OUTPUTS
            if getattr(model.cam, 'layer_inputs', 0) != 0:
                raise ValueError(
                    f'the maps of {type(model.cam).__name__} are gradients, which ONNX does not '
                    f'express: choose other maps, '
                    f'e.g. --cfg-options {OTHER_MAPS}'
                )
        elif isinstance(model, EncoderDecoder):
            self.output_names = SEG_OUTPUTS
        else:
            raise ValueError(
                f'{type(model).__name__} is neither a classifier nor a segmentation network'
            )
        self.model = model
        preprocessor = model.data_preprocessor
        # the preprocessors of mmwsss and MMEngine name it differently; without conversion the
        # network expects BGR
        converts = getattr(
            preprocessor, '_channel_conversion', getattr(preprocessor, 'channel_conversion', False)
        )
        self.reverse = not converts
        self.register_buffer('mean', preprocessor.mean.detach().clone().view(1, -1, 1, 1))
        self.register_buffer('std', preprocessor.std.detach().clone().view(1, -1, 1, 1))

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """Outputs in the order of ``output_names``, from RGB images (B,3,H,W), float32 in
        0..255.
        """
        x = (image.flip(1) if self.reverse else image).sub(self.mean).div(self.std)
        if self.is_single_stage:
            network, options = self.model.predictor(), self.model.test_cfg
            features = network.features(x)
            maps = network.multi_scale_maps(
                x,
                scales=(1.0,),
                flip=options['flip'],
                features=features,
                seg_fusion=options['seg_fusion'],
            )
            scores = network.tag_logits(features)[0].float().sigmoid()
            return scores, maps.of(options['export']), maps.seg_logits, maps.seg_logits.argmax(1)
        if self.output_names == TAG_OUTPUTS:
            scores, _, cams = self.model.predict_cams(
                [x], [WSSSDataSample() for _ in range(len(x))]
            )
            return scores, torch.stack(cams)
        size = tuple(x.shape[-2:])
        logits = self.model.encode_decode(
            x, [dict(img_shape=size, ori_shape=size, pad_shape=size)] * len(x)
        )
        return logits, logits.argmax(1)


@torch.no_grad()
def export_onnx(
    model: MCTformerPlus | MSCSegmentor | SingleStage,
    path: str | Path,
    size: Sequence[int],
    *,
    batch_size: int = 1,
    tolerance: float = 1e-3,
    opset: int = 18,
) -> Export:
    """Write a model as ONNX and compare it with PyTorch on random images; the file appears only if
    they agree.

    Args:
        model (BaseModel): Model of :func:`mmwsss.apis.init_model`, on the CPU.
        path (str | Path): File to write; class names and the meaning of the input are stored in its
            metadata.
        size (tuple[int]): (H,W) of the images; the position embedding is fixed to it.
        batch_size (int): B, which is fixed too.
        tolerance (float): Largest absolute difference of scores, CAMs and (relative to the largest)
            logits.
        opset (int): Version of the operators.

    Returns:
        Export

    Raises:
        ValueError: A package is missing, the model cannot be exported at this size, or the results
            differ.
    """
    missing = [name for name in PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        raise ValueError(f'ONNX export needs {", ".join(missing)}: pip install {" ".join(missing)}')
    network = ExportedNetwork(model).eval()
    patch = getattr(model.backbone, 'patch_size', 1)
    if getattr(model.backbone, 'pad_to_patch', False) and any(side % patch for side in size):
        raise ValueError(
            f'this network pads images to multiples of {patch}: export a size of whole multiples, '
            f'got {size[0]} x {size[1]}'
        )
    generator = torch.Generator().manual_seed(0)
    images = [255 * torch.rand(batch_size, 3, *size, generator=generator) for _ in range(2)]
    with _all_classes(model):
        # also fills the caches of the network, which must not happen during the export
        expected = network(images[1])
        program: Any = torch.onnx.export(
            network,
            (images[0],),
            dynamo=True,
            input_names=['image'],
            output_names=list(network.output_names),
            opset_version=opset,
            verbose=False,
        )
    names = getattr(model, 'class_names', ())
    program.model.metadata_props.update(
        classes=json.dumps(list(names), ensure_ascii=False),
        input='image: RGB, float32, 0..255, (B,3,H,W)',
        model=type(model).__name__,
    )
    content = program.model_proto.SerializeToString()
    outputs = {name: value.numpy() for name, value in zip(network.output_names, expected)}
    differences = compare_outputs(outputs, _run(content, images[1].numpy()))
    wrong = [
        f'{name} by {value:.2e}' for name, value in differences.items() if not value <= tolerance
    ]
    if wrong:
        raise ValueError(
            f'{path}: not written, ONNX Runtime and PyTorch differ: {", ".join(wrong)} (tolerance '
            f'{tolerance:g})'
        )
    with atomic_open(Path(path)) as file:
        file.write(content)
    return Export({name: value.shape for name, value in outputs.items()}, differences)


def compare_outputs(
    expected: dict[str, np.ndarray], results: Sequence[np.ndarray]
) -> dict[str, float]:
    """Largest absolute difference of each output, for logits relative to the largest of them; for
    labels, the fraction of differing pixels.

    Args:
        expected (dict[str, np.ndarray]): Outputs of PyTorch.
        results (Sequence[np.ndarray]): Outputs of ONNX Runtime, in the same order.

    Returns:
        dict[str, float]
    """
    differences = {}
    for (name, ours), theirs in zip(expected.items(), results, strict=True):
        if name == 'labels':  # labels agree wherever the two best logits differ
            differences[name] = float((ours != theirs).mean())
        else:
            scale = max(1.0, float(np.abs(ours).max())) if name == 'logits' else 1.0
            differences[name] = float(np.abs(ours - theirs).max()) / scale
    return differences


@contextmanager
def _all_classes(model: Any) -> Iterator[Any]:
    """Context in which a classifier computes maps of all classes in float32."""
    saved: Any = getattr(model, 'test_cfg', None)
    if isinstance(model, TagClassifier):
        model.test_cfg = dict(saved, tags='all', dtype='fp32')
    try:
        yield
    finally:
        if isinstance(model, TagClassifier):
            model.test_cfg = saved


def _run(content: bytes, image: np.ndarray) -> list[np.ndarray]:
    """Outputs of ONNX Runtime on the CPU."""
    from onnxruntime import InferenceSession

    return InferenceSession(content, providers=['CPUExecutionProvider']).run(None, {'image': image})
