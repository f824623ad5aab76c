"""A trained model applied to a photo: CAMs, tag scores, label maps."""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from mmengine import Config
from mmengine.dataset import Compose, pseudo_collate
from mmengine.logging import print_log
from mmengine.runner import CheckpointLoader

from mmwsss.checkpoints.formats import converted_from
from mmwsss.checkpoints.released_weights import accept_released_weights, warn_of_origin
from mmwsss.functional.thresholds import labels_at_threshold
from mmwsss.registry import MODELS, TRANSFORMS
from mmwsss.utils.env import check_device
from mmwsss.utils.image_io import read_image, shrink
from mmwsss.utils.memory import memory_errors_named

from .config import load_config

INFERENCE_KEYS = ('classes',)  # class names of a config without data


class CAMs(NamedTuple):
    """Result of :func:`infer_cams`.

    Attributes:
        classes (numpy.ndarray): (K,) 0-based ids of the classes that have a map.
        cams (numpy.ndarray): (K,H,W) float32 in [0,1].
        scores (numpy.ndarray): (C,) probability of every tag.
        names (list[str]): Names of ``classes``.
    """

    classes: np.ndarray
    cams: np.ndarray
    scores: np.ndarray
    names: list[str]


def init_model(
    config: str | Path | Config,
    checkpoint: str | None = None,
    device: str | torch.device = 'cpu',
    cfg_options: dict[str, Any] | None = None,
) -> Any:
    """Build a model in evaluation mode, with the weights of a checkpoint.

    Args:
        config (str | Path | Config): Config file.
        checkpoint (str, optional): File or URL; ours or any that the model translates. None leaves
            random weights.
        device (str | torch.device): Where to put the model.
        cfg_options (dict, optional): Overrides of the config.

    Returns:
        BaseModel: With the attributes ``cfg`` (Config) and ``class_names`` (tuple, background
            first).

    Raises:
        FileNotFoundError: No such config or checkpoint.
        ValueError: The checkpoint belongs to another architecture or number of classes. The message
            names it.
    """
    device = check_device(device)
    config = load_config(config, cfg_options=cfg_options, extra_keys=INFERENCE_KEYS)
    model = MODELS.build(config.model)
    names = None
    if checkpoint is not None:
        names = (
            load_weights(model, checkpoint).get('meta', {}).get('dataset_meta', {}).get('classes')
        )
    model.cfg = config
    model.class_names = tuple(
        names
        or config.get('classes')
        or ('background', *map(str, range(getattr(model, 'num_classes', 0))))
    )
    return model.to(device).eval()


def load_weights(model: Any, checkpoint: str | Path, *, partial: bool = False) -> dict[str, Any]:
    """Load a checkpoint into a model, in full: the loaders of MMEngine would leave what does not
    fit at random values.

    Args:
        model (BaseModel): Ours or MMSegmentation's; released weights of the papers are translated.
        checkpoint (str | Path): File or URL. Ignored keys are logged, and a method
            of the same network that is not the model's
            (:func:`mmwsss.checkpoints.released_weights.warn_of_origin`).
        partial (bool): Accept a checkpoint without some of the weights, such as those of a backbone
            alone; the rest stays as it is.

    Returns:
        dict: The checkpoint.

    Raises:
        FileNotFoundError: No such file.
        ValueError: Not a checkpoint, or one of another architecture. The message names the file.
    """
    accept_released_weights(model)
    try:
        content: Any = CheckpointLoader.load_checkpoint(str(checkpoint), map_location='cpu')
        state = content.get('state_dict', content)
        keys = model.load_state_dict(
            {key.removeprefix('module.'): value for key, value in state.items()}, strict=False
        )
    except FileNotFoundError as error:
        raise FileNotFoundError(f'{checkpoint}: checkpoint not found') from error
    except (ValueError, RuntimeError, EOFError, KeyError, AttributeError) as error:
        message = re.sub(
            r'Error\(s\) in loading state_dict for \w+:\s*',
            'has another architecture than the model: ',
            str(error),
        )
        raise ValueError(
            message if str(checkpoint) in message else f'{checkpoint}: {_first_line(message)}'
        ) from error
    missing = [key for key in keys.missing_keys if not key.endswith('num_batches_tracked')]
    if missing and not partial:
        raise ValueError(
            f'{checkpoint}: has no weights for {len(missing)} entries of {type(model).__name__}, '
            f'first {missing[0]}; choose '
            'the config that belongs to the checkpoint'
        )
    origin = converted_from(content)
    if origin is not None:
        warn_of_origin(model, origin)
    if keys.unexpected_keys:
        print_log(
            f'{checkpoint}: {len(keys.unexpected_keys)} entries that {type(model).__name__} has '
            f'no use for, first '
            f'{keys.unexpected_keys[0]}',
            logger='current',
        )
    return content


def _first_line(text: str) -> str:
    lines = text.splitlines() or ['']
    return lines[0] + (f' (and {len(lines) - 1} more)' if len(lines) > 1 else '')


def infer_cams(
    model: Any,
    image: str | Path | np.ndarray,
    tags: Iterable[str | int] | None = None,
    *,
    scales: Sequence[float] | None = None,
    flip: bool | None = None,
    refine: bool | None = None,
    max_side: int | None = None,
) -> CAMs:
    """Class activation maps of one image.

    Args:
        model (TagClassifier): Model of :func:`init_model`.
        image (str | Path | numpy.ndarray): File, or (H,W,3) uint8 BGR.
        tags (Sequence[str | int], optional): Names or 0-based ids of the classes in the image;
            None: the predicted ones.
        scales (Sequence[float], optional): Test scales; None: those of the config.
        flip (bool, optional): Add the horizontal flip of each scale; None: as the config says.
        refine (bool, optional): Refine with the patch affinity; None: as the config says.
        max_side (int, optional): A photo with a longer side is made smaller for the network, and
            its maps are scaled back; None: as the config says. A file is turned as its EXIF
            orientation says, and the maps are those of the photo as it is shown.

    Returns:
        CAMs

    Raises:
        ValueError: Unknown tag, unreadable image, an image smaller than a patch, or one that needs
            more memory than there is.
    """
    sample = _predict(model, image, tags, scales, dict(flip=flip, refine=refine), max_side)
    keys = np.asarray(sample.cam_keys, np.int64)
    return CAMs(
        keys,
        sample.pred_cams.data.float().cpu().numpy(),
        sample.pred_scores.cpu().numpy(),
        [model.class_names[key + 1] for key in keys],
    )


def infer_masks(
    model: Any,
    image: str | Path | np.ndarray,
    tags: Iterable[str | int] | None = None,
    *,
    threshold: float | None = None,
    scales: Sequence[float] | None = None,
    flip: bool | None = None,
    refine: bool | None = None,
    max_side: int | None = None,
) -> np.ndarray:
    """Label map of one image: CAMs cut at a threshold, or the prediction of a segmentation network.

    Args:
        model, image, tags, scales, flip, refine, max_side: See :func:`infer_cams`; a network that
            segments only takes ``model``, ``image`` and ``max_side``.
        threshold (float, optional): Background threshold of CAMs; None: ``cam_threshold`` of the
            config, else 0.4.

    Returns:
        numpy.ndarray: (H,W) uint8, 0 background, class c is c+1.
    """
    if hasattr(model, 'predict_cams') and not getattr(model, 'segments', False):
        result = infer_cams(
            model, image, tags, scales=scales, flip=flip, refine=refine, max_side=max_side
        )
        threshold = model.cfg.get('cam_threshold', 0.4) if threshold is None else threshold
        return (
            labels_at_threshold(torch.from_numpy(result.cams), result.classes.tolist(), threshold)
            .numpy()
            .astype(np.uint8)
        )
    if tags is not None or scales is not None or flip is not None or refine is not None:
        raise ValueError(f'{type(model).__name__} segments without tags, scales, flip and refine')
    sample = _predict(model, image, None, None, {}, max_side)
    return sample.pred_sem_seg.data[0].cpu().numpy().astype(np.uint8)


@torch.no_grad()
def _predict(
    model: Any,
    image: str | Path | np.ndarray,
    tags: Iterable[str | int] | None,
    scales: Sequence[float] | None,
    options: dict[str, Any],
    max_side: int | None,
) -> Any:
    dataset = model.cfg.test_dataloader.dataset
    load: dict[str, Any] = next(
        (step for step in dataset.pipeline if step['type'].endswith('LoadImage')), {}
    )
    name = 'the image' if isinstance(image, np.ndarray) else str(image)
    if not isinstance(image, np.ndarray):
        reading = {key: load[key] for key in ('max_pixels', 'value_range') if key in load}
        image = read_image(image, **reading)
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        raise ValueError(f'the image must be (H,W,3) uint8 BGR, got {image.shape} {image.dtype}')
    is_classifier = hasattr(model, 'predict_cams')
    height, width = image.shape[:2]
    image = shrink(image, max_side or dataset.get('max_side') or load.get('max_side'))
    results = dict(
        img=image,
        img_shape=image.shape[:2],
        ori_shape=(height, width),
        img_path=name,
        seg_fields=[],
    )
    if is_classifier:
        results.update(
            num_tags=model.num_classes, gt_tags=[] if tags is None else _tag_ids(model, tags)
        )
    data = _inference_pipeline(model.cfg, scales)(results)
    saved: Any = getattr(model, 'test_cfg', None)
    if is_classifier:
        changed = {
            key: value
            for key, value in dict(options, scales=scales if 'scales' in saved else None).items()
            if value is not None
        }
        if not set(changed) <= set(saved):
            raise ValueError(
                f'{type(model).__name__} has no option '
                f'{", ".join(sorted(set(changed) - set(saved)))}'
            )
        model.test_cfg = dict(saved, tags='predicted' if tags is None else 'gt', **changed)
    try:
        with memory_errors_named(f'{name} ({width}x{height})', 'give max_side, e.g. 1024'):
            return model.test_step(pseudo_collate([data]))[0]
    finally:
        if is_classifier:
            model.test_cfg = saved


def _tag_ids(model: Any, tags: Iterable[str | int]) -> list[int]:
    ids = []
    for tag in tags:
        if isinstance(tag, str):
            if tag not in model.class_names[1:]:
                raise ValueError(
                    f'unknown tag {tag!r}; the model knows {", ".join(model.class_names[1:])}'
                )
            tag = model.class_names.index(tag) - 1
        if not 0 <= tag < model.num_classes:
            raise ValueError(f'tag id {tag} is outside 0..{model.num_classes - 1}')
        ids.append(int(tag))
    return ids


def _inference_pipeline(config: Config, scales: Sequence[float] | None) -> Compose:
    """The test pipeline of the config without loading, at other scales if asked."""
    steps = []
    for step in config.test_dataloader.dataset.pipeline:
        step, kind = dict(step), step['type'].rpartition('.')[2]
        if kind.startswith('Load'):
            continue
        if kind == 'MultiScaleViews' and scales is not None:
            step['scales'] = tuple(scales)
        steps.append(TRANSFORMS.build(step))
    return Compose(steps)
