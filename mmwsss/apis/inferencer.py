"""Inference of a trained model on photos: CAMs, tag scores and label maps."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine import Config
from mmengine.logging import print_log
from mmengine.runner import CheckpointLoader

from mmwsss.checkpoints.formats import converted_from
from mmwsss.checkpoints.released_weights import accept_released_weights, warn_of_origin
from mmwsss.checkpoints.wrapped import check_finite_weights, meta_of, state_of
from mmwsss.registry import MODELS
from mmwsss.utils.checkpoint_files import check_checkpoint
from mmwsss.utils.class_lists import CLASS_LISTS
from mmwsss.utils.env import check_device
from mmwsss.utils.names import check_name

from .cams import CAMs, check_threshold
from .config import build_errors_named, load_config, require_sections
from .label_map import LabelMap
from .photo_inference import predict_photos
from .photo_inputs import Photo, gather_photos, tags_of_photos
from .recorded_config import is_checkpoint, recorded_config
from .results import Results

INFERENCE_KEYS = ('classes', 'cam_threshold')  # entries that a config without data may have


def init_model(
    config: str | Path | Config | None = None,
    checkpoint: str | Path | None = None,
    device: str | torch.device = 'cpu',
    cfg_options: dict[str, Any] | None = None,
) -> Any:
    """Build a model in evaluation mode, with the weights of a checkpoint.

    Args:
        config (str | Path | Config): Config file, or the name of one of mmwsss
            (``'mmwsss::mctformer_plus_voc.py'``). A checkpoint of mmwsss needs none: given alone,
            as the first or the second argument, it is built with the config that it records, which
            is read and not executed.
        checkpoint (str | Path, optional): File or URL, of mmwsss or of any format that the model
            translates. None keeps random weights.
        device (str | torch.device): Device of the model; ``'auto'``: the first accelerator, or the
            CPU if there is none.
        cfg_options (dict, optional): Overrides of the config.

    Returns:
        BaseModel: Model with the attributes ``cfg`` (Config) and ``class_names`` (tuple, background
            first).

    Raises:
        FileNotFoundError: The config or the checkpoint does not exist.
        ValueError: The checkpoint has another architecture or number of classes. The message names
            it.
    """
    device = check_device(device)
    if checkpoint is None and is_checkpoint(config):
        config, checkpoint = None, str(config)
    if config is None:
        if checkpoint is None:
            raise ValueError('init_model needs a config or a checkpoint')
        config = recorded_config(checkpoint)
    cfg = load_config(config, cfg_options=cfg_options, extra_keys=INFERENCE_KEYS)
    require_sections(cfg, 'model')
    with build_errors_named(cfg):
        model = MODELS.build(cfg.model)
    names = None
    if checkpoint is not None:
        names = _class_names(load_weights(model, checkpoint), checkpoint)
    model.cfg = cfg
    model.class_names = names or _configured_names(cfg.get('classes')) or _numbered(model)
    return model.to(device).eval()


def _configured_names(classes: Sequence[str] | str | None) -> tuple[str, ...]:
    """Class names of a config: a list, or the name of a benchmark; not those of a class file."""
    return tuple(CLASS_LISTS.get(classes, ()) if isinstance(classes, str) else classes or ())


def _numbered(model: Any) -> tuple[str, ...]:
    """Numbers instead of class names, background first."""
    return ('background', *map(str, range(getattr(model, 'num_classes', 0))))


def _class_names(content: Mapping[str, Any], origin: str | Path) -> tuple[str, ...] | None:
    """Class names that are stored in a checkpoint; None if there are none."""
    meta = meta_of(content).get('dataset_meta')
    names = meta.get('classes') if isinstance(meta, Mapping) else None
    if not isinstance(names, (list, tuple)):
        return None
    return tuple(check_name(name, 'class', origin=origin) for name in names)


def load_weights(model: Any, checkpoint: str | Path, *, partial: bool = False) -> dict[str, Any]:
    """Load a checkpoint completely into a model, while the loaders of MMEngine leave weights that
    do not match at random values.

    Args:
        model (BaseModel): Model of mmwsss or MMSegmentation; released weights of the papers are
            translated.
        checkpoint (str | Path): File or URL. Ignored keys are logged, as are weights of another
            method with the same network
            (:func:`mmwsss.checkpoints.released_weights.warn_of_origin`).
        partial (bool): Accept a checkpoint without some of the weights, such as those of a backbone
            only; the remaining weights are unchanged.

    Returns:
        dict: The checkpoint.

    Raises:
        FileNotFoundError: The file does not exist.
        ValueError: The file is not a checkpoint or belongs to another architecture. The message
            names the file.
    """
    accept_released_weights(model)
    try:
        check_checkpoint(checkpoint)
        content: Any = CheckpointLoader.load_checkpoint(str(checkpoint), map_location='cpu')
        keys = model.load_state_dict(state_of(content), strict=False)
    except FileNotFoundError as error:
        raise FileNotFoundError(f'{checkpoint}: checkpoint not found') from error
    except (ValueError, RuntimeError, EOFError, KeyError, AttributeError, TypeError) as error:
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
    check_finite_weights(model, checkpoint)
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
    image: Any,
    tags: Any = None,
    *,
    scales: Sequence[float] | None = None,
    flip: bool | None = None,
    refine: bool | None = None,
    max_side: int | None = None,
    threshold: float | None = None,
    rgb: bool | None = None,
    batch_size: int | None = None,
    progress: bool = False,
) -> Any:
    """Class activation maps of one or several photos, with the masks derived from them.

    Args:
        model (TagClassifier): Model of :func:`init_model`.
        image: A file, or an (H,W,3) uint8 BGR array; also a folder, a pattern such as
            ``'trip/*.jpg'``, a PIL image, a grey or float array, a tensor (3,H,W), or a sequence of
            these, see :func:`mmwsss.apis.photo_inputs.gather_photos`. The EXIF orientation of a
            file is applied, and the maps are those of the photo as viewers show it.
        tags (Sequence[str | int], optional): Names or 0-based ids of the classes in the photo, or
            one of them; for several photos either tags of all photos, a list for each photo, or a
            mapping from names of photos (file names without suffix). None: the predicted tags.
        scales (Sequence[float], optional): Test scales; None: those of the config.
        flip (bool, optional): Add the horizontal flip of each scale; None: as in the config.
        refine (bool, optional): Refine with the patch affinity; None: as in the config.
        max_side (int, optional): Photos with a longer side are downscaled for the network, and
            their maps are scaled back; None: as in the config.
        threshold (float, optional): Background threshold of the mask in [0,1]; None:
            ``cam_threshold`` of the config, else 0.4.
        rgb (bool, optional): Order of the channels of arrays and tensors; None: BGR for arrays,
            RGB for tensors.
        batch_size (int, optional): Number of photos of the same size that are processed together,
            which does not change the results. None: as many as fit into the memory of a GPU, 1 on a
            CPU.
        progress (bool): Show a progress bar.

    Returns:
        CAMs | Results: :class:`~mmwsss.apis.cams.CAMs` of one photo; for several photos a
            :class:`~mmwsss.apis.results.Results`, a list of them in the order of the photos.

    Raises:
        ValueError: A tag is unknown, or an image is unreadable, smaller than a patch or too large
            for the memory.
    """
    if not hasattr(model, 'predict_cams'):
        raise ValueError(
            f'{type(model).__name__} is a segmentation network without class activation maps; use '
            f'infer_masks'
        )
    photos, single = gather_photos(image, rgb=rgb)
    threshold = check_threshold(
        model.cfg.get('cam_threshold', 0.4) if threshold is None else threshold
    )
    found = predict_photos(
        model,
        photos,
        tags_of_photos(tags, photos, single),
        scales=scales,
        options=dict(flip=flip, refine=refine),
        max_side=max_side,
        batch_size=batch_size,
        progress=progress,
    )
    cams = {index: _cams_of(model, photos[index], sample, threshold) for index, sample in found}
    return cams[0] if single else Results(cams[index] for index in range(len(photos)))


def infer_masks(
    model: Any,
    image: Any,
    tags: Any = None,
    *,
    threshold: float | None = None,
    scales: Sequence[float] | None = None,
    flip: bool | None = None,
    refine: bool | None = None,
    max_side: int | None = None,
    rgb: bool | None = None,
    batch_size: int | None = None,
    progress: bool = False,
) -> Any:
    """Label map of one or several photos: thresholded CAMs, or the prediction of a segmentation
    network.

    Args:
        model, image, tags, scales, flip, refine, max_side, rgb, batch_size, progress: See
            :func:`infer_cams`; a segmentation network accepts no tags, scales, flip or refine.
        threshold (float, optional): Background threshold of CAMs in [0,1]; None: ``cam_threshold``
            of the config, else 0.4.

    Returns:
        LabelMap | Results: (H,W) uint8 array, 0 background, class c is c+1
        (:class:`~mmwsss.apis.label_map.LabelMap`); for several photos a list of them.
    """
    shared: dict[str, Any] = dict(max_side=max_side, batch_size=batch_size, progress=progress)
    if hasattr(model, 'predict_cams') and not getattr(model, 'segments', False):
        options: dict[str, Any] = dict(scales=scales, flip=flip, refine=refine, rgb=rgb, **shared)
        cams = infer_cams(model, image, tags, threshold=threshold, **options)
        return cams.mask if isinstance(cams, CAMs) else Results(entry.mask for entry in cams)
    if tags is not None or scales is not None or flip is not None or refine is not None:
        raise ValueError(f'{type(model).__name__} segments without tags, scales, flip and refine')
    photos, single = gather_photos(image, rgb=rgb)
    masks = {
        index: LabelMap(_labels(sample), model.class_names, photos[index])
        for index, sample in predict_photos(model, photos, None, **shared)
    }
    return masks[0] if single else Results(masks[index] for index in range(len(photos)))


def _cams_of(model: Any, photo: Photo, sample: Any, threshold: float) -> CAMs:
    keys = np.asarray(sample.cam_keys, np.int64)
    return CAMs(
        keys,
        sample.pred_cams.data.float().cpu().numpy(),
        sample.pred_scores.cpu().numpy(),
        [model.class_names[key + 1] for key in keys],
        tuple(model.class_names),
        photo,
        threshold,
        _labels(sample) if 'pred_sem_seg' in sample else None,
    )


def _labels(sample: Any) -> np.ndarray:
    return sample.pred_sem_seg.data[0].cpu().numpy().astype(np.uint8)
