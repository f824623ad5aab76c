"""Released checkpoint formats that are read and written, with their recognition and key maps in
both directions, as pure functions.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from torch import Tensor

from mmwsss.checkpoints.acr import is_acr, release_acr_keys, translate_acr_keys
from mmwsss.checkpoints.deeplab import release_deeplab_keys, translate_deeplab_keys
from mmwsss.checkpoints.irn import is_irn, release_irn_keys, translate_irn_keys
from mmwsss.checkpoints.mctformer import (
    mctformer_kind,
    release_mctformer_keys,
    translate_mctformer_keys,
)
from mmwsss.checkpoints.resnet38 import (
    release_mctformer_segmentation_keys,
    release_psa_keys,
    translate_mctformer_segmentation_keys,
    translate_psa_keys,
)
from mmwsss.checkpoints.single_stage import (
    release_single_stage_keys,
    single_stage_kind,
    translate_single_stage_keys,
)
from mmwsss.checkpoints.titles import TITLES
from mmwsss.checkpoints.vit import unwrap_state_dict

State = dict[str, Any]
KeyMap = tuple[State, list[str]]  # renamed state dict, and the names that were left out


class CheckpointFormat(NamedTuple):
    """A released format.

    Attributes:
        title (str): Origin of the weights.
        config (str): Config for such weights, for error messages.
        models (tuple[str]): Class names of the models of mmwsss that read the format, including
            subclasses; ``Model/Head`` with that decode head or patch head (``None``: without one).
        matches (Callable): State dict by released names -> bool.
        translate (Callable): Released names -> (names of mmwsss, names left out).
        release (Callable): Names of mmwsss -> (released names, names left out).
        classes (tuple[str, int]): Entry of mmwsss whose shape defines the number of classes, and
            the dimension.
        background (bool): Whether background is one of them.
        wrapper (str): Entry of the released file that holds the weights; empty if the file is the
            state dict itself.
    """

    title: str
    config: str
    models: tuple[str, ...]
    matches: Callable[[State], bool]
    translate: Callable[[State], KeyMap]
    release: Callable[[State], KeyMap]
    classes: tuple[str, int]
    background: bool = False
    wrapper: str = ''


def _mctformer(kind: str, title: str, config: str, model: str = 'MCTformer') -> CheckpointFormat:
    return CheckpointFormat(
        title,
        config,
        (model,),
        lambda state: mctformer_kind(state) == kind,
        translate_mctformer_keys,
        partial(release_mctformer_keys, kind=kind),
        ('backbone.cls_token', 1),
        wrapper='model',
    )


def _single_stage(kind: str, title: str, config: str, models: tuple[str, ...]) -> CheckpointFormat:
    return CheckpointFormat(
        title,
        config,
        models,
        lambda state: single_stage_kind(state) == kind,
        translate_single_stage_keys,
        partial(_release_single_stage, kind=kind),
        ('classifier.weight', 0),
    )


def _release_single_stage(
    state: dict[str, Tensor], kind: str
) -> tuple[dict[str, Tensor], list[str]]:
    """Released weights of a single-stage method, completed by the 1000-way head of the transformer,
    which the released code never uses but requires, because it loads strictly.

    Of the two networks of CoSA, the averaged one is written, because its predictions are the
    published ones.
    """
    averaged = {
        name.removeprefix('assignment.'): value
        for name, value in state.items()
        if name.startswith('assignment.')
    }
    released, left_out = release_single_stage_keys(averaged or state, kind)
    if averaged:
        left_out = [name for name in state if not name.startswith('assignment.')] + [
            f'assignment.{name}' for name in left_out
        ]
    token = released['encoder.cls_token']
    head = {
        'encoder.head.weight': token.new_zeros(1000, token.shape[-1]),
        'encoder.head.bias': token.new_zeros(1000),
    }
    return {**released, **head}, left_out


def _has(*names: str) -> Callable[[State], bool]:
    return lambda state: all(name in state for name in names)


def _without_unused(translate: Callable[[State], State], dropped: str) -> Callable[[State], KeyMap]:
    """A key map that reports the names that it leaves out, those that start with ``dropped``."""

    def complete(state: dict[str, Tensor]) -> tuple[dict[str, Tensor], list[str]]:
        return translate(state), [name for name in state if name.startswith(dropped)]

    return complete


FORMATS = dict(
    mctformer_plus=_mctformer('plus', TITLES['mctformer_plus'], 'mctformer_plus_voc.py'),
    mctformer_v2=_mctformer('v2', TITLES['mctformer_v2'], 'mctformer_v2_voc.py'),
    mctformer_v1=_mctformer('v1', TITLES['mctformer_v1'], 'mctformer_v1_voc.py', 'MCTformer/None'),
    mcc=_single_stage('mcc', TITLES['mcc'], 'mcc_voc.py', ('MCC', 'ToCo')),
    cosa=_single_stage('cosa', TITLES['cosa'], 'cosa_voc.py', ('CoSA',)),
    irn=CheckpointFormat(
        TITLES['irn'],
        'irn_voc.py',
        ('IRNet',),
        is_irn,
        translate_irn_keys,
        release_irn_keys,
        ('edge.weight', 0),
    ),
    psa=CheckpointFormat(
        TITLES['psa'],
        'psa_voc.py',
        ('AffinityNet',),
        _has('f8_3.weight', 'f9.weight'),
        _without_unused(translate_psa_keys, 'fc8.'),
        release_psa_keys,
        ('fuse.weight', 0),
    ),
    resnet38_seg=CheckpointFormat(
        TITLES['resnet38_seg'],
        'deeplabv1_r38_voc_pseudo.py',
        ('EncoderDecoder/DeepLabV1Head',),
        _has('fc8_seg_conv1.weight', 'fc8_seg_conv2.weight'),
        _without_unused(translate_mctformer_segmentation_keys, 'fc8.'),
        release_mctformer_segmentation_keys,
        ('decode_head.conv_seg.weight', 0),
        background=True,
    ),
    deeplabv2=CheckpointFormat(
        TITLES['deeplabv2'],
        'deeplabv2_r101_voc_pseudo.py',
        ('EncoderDecoder/DeepLabV2Head',),
        lambda state: any(name.endswith('aspp.c0.weight') for name in state),
        translate_deeplab_keys,
        release_deeplab_keys,
        ('decode_head.convs.0.weight', 0),
        background=True,
    ),
    acr=CheckpointFormat(
        TITLES['acr'],
        'acr_voc.py',
        ('ACRClassifier',),
        is_acr,
        translate_acr_keys,
        release_acr_keys,
        ('class_head.weight', 0),
    ),
)
# formats whose weights have no classes
WITHOUT_CLASSES = ('irn', 'psa')


def recognise(checkpoint: dict[str, Tensor]) -> str | None:
    """Format of a released checkpoint.

    Args:
        checkpoint (dict): State dict, or the content of a file that contains one.

    Returns:
        str | None: Key of :data:`FORMATS`; None for the names of mmwsss and for unknown formats.
    """
    state = unwrap_state_dict(checkpoint)
    return next((name for name, entry in FORMATS.items() if entry.matches(state)), None)


def translate_checkpoint(
    checkpoint: dict[str, Tensor], name: str
) -> tuple[dict[str, Tensor], list[str]]:
    """Convert a released checkpoint of format ``name`` to the names of mmwsss.

    Returns:
        tuple[dict, list[str]]: New state dict, and the names that were left out.
    """
    return FORMATS[name].translate(unwrap_state_dict(checkpoint))


def released_classes(state: dict[str, Tensor], name: str) -> int | None:
    """Number of classes of translated weights, as counted by the data set of the format; None if
    the weights have none.
    """
    key, dim = FORMATS[name].classes
    return None if name in WITHOUT_CLASSES or key not in state else state[key].shape[dim]


def converted_from(checkpoint: dict[str, Any]) -> str | None:
    """Format that a file of mmwsss was converted from. Several formats have the same parameter
    names in mmwsss, so the names alone do not determine it.

    Args:
        checkpoint (dict): A file's content.

    Returns:
        str | None: Key of :data:`FORMATS`; None for a file that ``convert.py`` did not write.
    """
    meta = checkpoint.get('meta')
    name = meta.get('converted_from') if isinstance(meta, dict) else None
    return name if isinstance(name, str) and name in FORMATS else None


def default_format(model_type: str, state: dict[str, Any]) -> str | None:
    """Format in which the weights of a model of mmwsss were released.

    Args:
        model_type (str): Class name, with or without scope.
        state (dict): Its weights.

    Returns:
        str | None: Key of :data:`FORMATS`; None if there is none.
    """
    kind = model_type.rpartition('.')[2]
    if kind in ('MCTformer', 'AReAM'):
        return 'mctformer_v2' if 'patch_head.conv.weight' in state else 'mctformer_v1'
    names = dict(
        MCTformerPlus='mctformer_plus',
        MCC='mcc',
        ToCo='mcc',
        CoSA='cosa',
        IRNet='irn',
        AffinityNet='psa',
        ACRClassifier='acr',
    )
    if kind not in ('EncoderDecoder', 'MSCSegmentor'):
        return names.get(kind)
    if 'decode_head.convs.0.weight' in state:
        return 'deeplabv2'
    if 'decode_head.conv1.bias' in state and 'decode_head.conv_seg.weight' in state:
        return 'resnet38_seg'
    return None
