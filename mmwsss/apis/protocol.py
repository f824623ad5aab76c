"""A published protocol applied to the test part of a config."""

from typing import Any

from mmengine import Config
from mmengine.config import ConfigDict
from mmseg.models.segmentors import EncoderDecoder

from mmwsss.evaluation.protocols import (
    DATA,
    SECOND_NUMBER,
    TASKS,
    Protocol,
    find_protocol,
    metric_options,
)
from mmwsss.models.algorithms import SingleStage, TagClassifier
from mmwsss.registry import MODELS

from .config import dataset_of_split


def apply_protocol(config: Config, name: str) -> bool:
    """Apply the test protocol of a paper to a config: split, scales, flip, size, fusion, CRF and
    metric. The options that define the maps are kept.

    The split of the protocol is used if the model has its number of classes; on other data only the
    rules apply, and the metrics report this.

    Args:
        config (Config): Changed in place: ``test_dataloader``, ``test_evaluator``, ``test_cfg`` and
            test options of ``model``.
        name (str): Key of :data:`mmwsss.evaluation.protocols.PROTOCOLS`.

    Returns:
        bool: Whether the network is now wrapped in a test-time augmentation model
            (``config.model.module``).

    Raises:
        ValueError: The protocol is unknown or belongs to another type of model. The message names
            both.
    """
    protocol = find_protocol(name)
    kind = _class_of(config.model)
    own = issubclass(kind, SingleStage)
    fits = {
        'cam': issubclass(kind, TagClassifier),
        'wsol': issubclass(kind, TagClassifier),
        'seg': own or issubclass(kind, EncoderDecoder),
    }
    if protocol.task == 'mask':
        raise ValueError(
            f'protocol {name} evaluates files: use tools/evaluate_masks.py --protocol {name}'
        )
    if not fits[protocol.task]:
        raise ValueError(
            f'protocol {name} is one of {TASKS[protocol.task]}, {config.model.type} makes none'
        )
    if protocol.tags == SECOND_NUMBER and not own:
        raise ValueError(
            f'protocol {name} filters by the tags of the image, which the data of '
            f'{config.model.type} do not have'
        )
    if _num_classes(config.model) == DATA[protocol.data][1]:
        config.test_dataloader.dataset = dataset_of_split(config, protocol.split, masks=True)
    if protocol.task == 'seg':
        metric = dict(type='mmwsss.SegMetric', **metric_options(name))
        inside = not own
        (_augment_segmentor if inside else _segment_in_one_stage)(config, protocol)
        if protocol.crf:
            config.test_cfg = dict(
                type='mmwsss.CRFTestLoop',
                crf=dict(preset=protocol.crf),
                use_image_tags=protocol.tags == SECOND_NUMBER,
            )
    else:
        metric = dict(
            type='mmwsss.CAMMetric' if protocol.task == 'cam' else 'mmwsss.WSOLMetric',
            **metric_options(name),
        )
        inside = False
        (_map_in_one_stage if own else _map_views)(config, protocol)
    tags = [] if protocol.task == 'seg' else [dict(type='mmwsss.TagMetric', protocol=name)]
    config.test_evaluator = [metric, *tags]
    return inside


def _class_of(model: ConfigDict) -> type:
    """Class of a model config; names inherited from MMSegmentation's configs have their scope in a
    separate entry.
    """
    name = (
        model.type
        if '.' in model.type or '_scope_' not in model
        else f'{model._scope_}.{model.type}'
    )
    kind = MODELS.get(name)
    if kind is None:
        raise ValueError(f'model.type {name!r} is not registered')
    return kind


def _num_classes(model: ConfigDict) -> int | None:
    """Number of classes including background."""
    head = model.get('decode_head')
    if 'num_classes' in model:
        return model.num_classes + 1
    if head is None:
        return None
    first = head[0] if isinstance(head, list | tuple) else head
    return first.num_classes


def _options(config: Config) -> ConfigDict:
    return config.model.setdefault('test_cfg', ConfigDict())


def segment_alone(config: Config) -> None:
    """Let a single-stage network predict label maps only, for which images need no tags; other
    networks are unchanged.
    """
    if issubclass(_class_of(config.model), SingleStage):
        _options(config).update(outputs=('seg',), tags='predicted')


def _segment_in_one_stage(config: Config, protocol: Protocol) -> None:
    segment_alone(config)
    _options(config).update(
        size=protocol.size,
        seg_scales=protocol.scales,
        seg_flip=protocol.flip,
        seg_fusion=protocol.fusion,
    )


def _map_in_one_stage(config: Config, protocol: Protocol) -> None:
    _options(config).update(outputs=('cam',), tags='gt')
    if protocol.scales:
        _options(config).update(size=protocol.size, scales=protocol.scales, flip=protocol.flip)


def _map_views(config: Config, protocol: Protocol) -> None:
    """Scales and flip of a classifier; images are resized before masks are loaded, so that masks
    keep the size of the photo.
    """
    _options(config).tags = 'gt'
    if not protocol.scales:
        return
    _options(config).flip = protocol.flip
    pipeline = []
    for step in config.test_dataloader.dataset.pipeline:
        if step['type'].endswith('Resize'):
            continue
        if step['type'].endswith('MultiScaleViews'):
            step = ConfigDict(step, scales=protocol.scales)
        pipeline.append(step)
        if step['type'].endswith('LoadImage') and protocol.size is not None:
            pipeline.append(
                ConfigDict(type='mmseg.Resize', scale=protocol.size[::-1], keep_ratio=False)
            )
    config.test_dataloader.dataset.pipeline = pipeline


def _resized(protocol: Protocol, scale: float) -> dict[str, Any]:
    """Transform that resizes an image to a scale of the protocol."""
    if protocol.size is not None:
        height, width = protocol.size
        size = (int(scale * width), int(scale * height))
        return dict(type='mmseg.Resize', scale=size, keep_ratio=False)
    if protocol.aligned:
        return dict(type='mmwsss.AlignedScale', scale_factor=scale)
    return dict(type='mmseg.Resize', scale_factor=scale, keep_ratio=True)


def _augment_segmentor(config: Config, protocol: Protocol) -> None:
    """Test-time augmentation around a segmentation network."""
    sizes = [_resized(protocol, scale) for scale in protocol.scales]
    flips = [
        dict(type='mmseg.RandomFlip', prob=float(flip), direction='horizontal')
        for flip in ([0, 1] if protocol.flip else [0])
    ]
    load = [
        step
        for step in config.test_dataloader.dataset.pipeline
        if step['type'].rpartition('.')[2].startswith('LoadImage')
    ]
    ends = [dict(type='mmwsss.LoadMask')], [dict(type='mmseg.PackSegInputs')]
    views = dict(type='mmengine.TestTimeAug', transforms=[sizes, flips, *ends])
    config.test_dataloader.dataset.pipeline = [*load, views]
    config.model = ConfigDict(
        type='mmwsss.FusionTTAModel', rule=protocol.fusion, module=config.model
    )
