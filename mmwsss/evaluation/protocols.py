"""Evaluation protocols of the papers by name: data, scales, flip, resizing, CRF, threshold rule and
use of tags.

Numbers are only comparable if they follow the same protocol. ``tools/test.py --protocol NAME`` and
``tools/evaluate_masks.py --protocol NAME`` select one, and every metric prints the name of its
protocol; ``custom`` is none of these. :attr:`Protocol.source` names the section of the paper or the
released code that defines it.
"""

from typing import Any, NamedTuple

CUSTOM = 'custom'
# title; classes with background; images of the splits
DATA = {
    'voc': ('PASCAL VOC 2012', 21, {'train': 1464, 'train_aug': 10582, 'val': 1449, 'test': 1456}),
    'coco': ('MS COCO 2014', 81, {'train': 82081, 'val': 40137, 'val_part': 5000}),
    'openimages': ('OpenImages-WSOL', 101, {'val': 2500, 'test': 5000}),
}
TASKS = {
    'cam': 'maps (seeds)',
    'mask': 'pseudo masks',
    'seg': 'segmentation',
    'wsol': 'localisation',
}
# when the tags of a test image are used
GROUND_TRUTH, NO_TAGS, SECOND_NUMBER = 'ground truth', 'not used', 'second number'


class Protocol(NamedTuple):
    """Evaluation protocol of a paper.

    Attributes:
        task (str): Key of :data:`TASKS`.
        paper (str): Paper and the number in it.
        data (str): Key of :data:`DATA`.
        split (str): Key of its splits.
        source (str): Section of the paper, or released code.
        scales (tuple[float]): Scales of the test images; empty: as in the config.
        flip (bool): Whether each scale is also flipped.
        size (tuple[int] | None): (H,W) that images are resized to first, without keeping the aspect
            ratio; None: original size, or as in the config if ``scales`` is empty.
        fusion (str | None): Rule of :class:`mmwsss.functional.fusion.ScoreFusion` for the
            segmentation scores.
        aligned (bool): Images are resized in floating point, with aligned corners and truncated
            sides, as :class:`mmwsss.datasets.transforms.AlignedScale` does.
        crf (str | None): Preset of :class:`mmwsss.models.refiners.DenseCRF`.
        rule (str | float | None): Background threshold of maps: ``'best'``, ``'greedy'`` or a
            number.
        thresholds (tuple | None): (start, stop, step) of the sweep, stop excluded.
        mean (str): Classes included in the mean.
        rates (str): Definition of FP and FN.
        ignored_prediction (str): Treatment of a predicted 255.
        tags (str): ``'ground truth'``, ``'not used'``, or ``'second number'``: the published number
            removes classes that the image does not have; here it is reported in addition to the one
            without tags.
    """

    task: str
    paper: str
    data: str
    split: str
    source: str
    scales: tuple[float, ...] = (1.0,)
    flip: bool = False
    size: tuple[int, int] | None = None
    fusion: str | None = None
    aligned: bool = False
    crf: str | None = None
    rule: str | float | None = None
    thresholds: tuple[float, float, float] | None = None
    mean: str = 'present'
    rates: str = 'mctformer'
    ignored_prediction: str = 'background'
    tags: str = NO_TAGS

    @property
    def threshold_values(self) -> tuple[float, ...] | None:
        """tuple[float] | None: The thresholds of the sweep."""
        if self.thresholds is None:
            return None if self.rule is None or isinstance(self.rule, str) else (self.rule,)
        start, stop, step = self.thresholds
        return tuple(
            round(start + index * step, 10) for index in range(round((stop - start) / step))
        )


_SWEEP: dict[str, Any] = dict(task='cam', split='train', tags=GROUND_TRUTH, mean='all', flip=True)
_MCT_PLUS: dict[str, Any] = dict(
    _SWEEP,
    scales=(1.0, 0.75, 1.25),
    rule='greedy',
    thresholds=(0, 0.6, 0.01),
    source='MCTformer+ section 4.1 and its released code',
)
_TOCO_CAM: dict[str, Any] = dict(
    task='cam',
    tags=GROUND_TRUTH,
    size=(448, 448),
    scales=(1.0, 0.5, 1.5),
    flip=True,
    source='MCC section IV-A and its released code',
)
_TOCO_VOC: dict[str, Any] = dict(
    task='seg',
    data='voc',
    split='val',
    scales=(1.0, 1.5, 1.25),
    flip=True,
    fusion='max_of_flip_sums',
    source='MCC section IV-A and its released code',
)
_TOCO_COCO: dict[str, Any] = dict(
    task='seg',
    data='coco',
    split='val',
    size=(448, 448),
    scales=(1.0, 1.25, 1.5),
    flip=True,
    fusion='sum_of_flip_maxima',
    source='MCC section IV-A and its released code',
)
_MCT_SEG: dict[str, Any] = dict(
    task='seg',
    split='val',
    scales=(0.5, 0.75, 1.0, 1.25, 1.5),
    fusion='max_softmax',
    aligned=True,
    crf='mct_test',
    mean='all',
    source='released code of MCTformer',
)
_COSA: dict[str, Any] = dict(
    task='seg',
    split='val',
    size=(448, 448),
    scales=(1.0, 0.5, 1.5, 0.75, 1.25),
    flip=True,
    fusion='sum_logits',
    tags=SECOND_NUMBER,
    source='CoSA section 4.1 and its released code and logs',
)
_COSA_NUMBER = 'CoSA, Table 1: the published number is the second, filtered by the tags'
_COSA_CRF_NUMBER = 'CoSA, Table 1 with CRF: the published number is the second'
_COSA_CAM: dict[str, Any] = dict(
    _TOCO_CAM,
    scales=(1.0, 0.5, 1.5, 0.75, 1.25),
    source='CoSA section 4.1 and its released code and logs',
    rule=0.5,
    paper='CoSA, maps (Table 2)',
)
_DEEPLAB_V2: dict[str, Any] = dict(
    task='seg',
    split='val',
    fusion='sum_logits',
    crf='deeplabv2_test',
    source='released code of deeplab-pytorch',
    paper='DeepLab-V2 with ResNet-101 as deeplab-pytorch tests it; likely that of ACR and AReAM, '
    'which do not state it',
)
_MCC_SINGLE: dict[str, Any] = dict(
    task='seg',
    size=(448, 448),
    source='MCC section IV-A and its released code',
    fusion='sum_logits',
)
_MASK: dict[str, Any] = dict(task='mask', split='train', tags=GROUND_TRUTH)

PROTOCOLS = {
    'mctformer-voc-train-cam': Protocol(
        **{**_MCT_PLUS, 'scales': (1.0,)}, paper='MCTformer V1 and V2, seeds', data='voc'
    ),
    'mctformer-coco-train-cam': Protocol(
        **{**_MCT_PLUS, 'scales': (1.0,)}, paper='MCTformer V2, seeds', data='coco'
    ),
    'mctformer-plus-voc-train-cam': Protocol(**_MCT_PLUS, paper='MCTformer+, seeds', data='voc'),
    'mctformer-plus-coco-train-cam': Protocol(**_MCT_PLUS, paper='MCTformer+, seeds', data='coco'),
    'aream-voc-train-cam': Protocol(
        **_SWEEP,
        rule='best',
        thresholds=(0.01, 0.8, 0.01),
        source='AReAM section V-A and the released code of its first version',
        paper='AReAM, seeds',
        data='voc',
    ),
    'acr-voc-train-cam': Protocol(
        **_SWEEP,
        size=(384, 384),
        rule='best',
        thresholds=(0, 1, 0.01),
        source='ACR section 4.1 and its released code',
        paper='ACR, seeds',
        data='voc',
    ),
    'irn-voc-train-cam': Protocol(
        **{**_SWEEP, 'mean': 'union'},
        scales=(1.0, 0.5, 1.5, 2.0),
        rule=0.15,
        rates='irn',
        source='released code of IRN; its scales are not confirmed',
        paper='IRN, seeds at a fixed threshold',
        data='voc',
    ),
    'toco-voc-train-cam': Protocol(
        **_TOCO_CAM, rule=0.5, paper='ToCo, maps', data='voc', split='train'
    ),
    'toco-voc-val-cam': Protocol(
        **_TOCO_CAM, rule=0.5, paper='ToCo, maps', data='voc', split='val'
    ),
    'mcc-voc-train-cam': Protocol(
        **_TOCO_CAM, rule=0.5, paper='MCC, maps (Table II)', data='voc', split='train'
    ),
    'mcc-voc-val-cam': Protocol(
        **_TOCO_CAM, rule=0.5, paper='MCC, maps (Table II)', data='voc', split='val'
    ),
    'mcc-coco-val-cam': Protocol(
        **_TOCO_CAM, rule=0.45, paper='MCC, maps', data='coco', split='val'
    ),
    'cosa-voc-train-cam': Protocol(**_COSA_CAM, data='voc', split='train'),
    'cosa-voc-val-cam': Protocol(**_COSA_CAM, data='voc', split='val'),
    'mctformer-voc-train-mask': Protocol(
        **_MASK,
        mean='all',
        source='released code of MCTformer',
        paper='MCTformer, MCTformer+, SEAM and ACR, pseudo masks',
        data='voc',
    ),
    'mctformer-plus-coco-train-mask': Protocol(
        **_MASK,
        mean='all',
        source='released code of MCTformer',
        paper='MCTformer+, pseudo masks',
        data='coco',
    ),
    'irn-voc-train-mask': Protocol(
        **_MASK,
        mean='union',
        rates='irn',
        source='released code of IRN',
        paper='IRN, pseudo masks',
        data='voc',
    ),
    'toco-voc-train-mask': Protocol(
        **_MASK,
        ignored_prediction='drop',
        source='released code of ToCo',
        paper='ToCo, MCC and CoSA, labels of training without uncertain pixels',
        data='voc',
    ),
    'mctformer-voc-val': Protocol(
        **_MCT_SEG, data='voc', paper='MCTformer and MCTformer+, DeepLab-V1 with ResNet38'
    ),
    'mctformer-coco-val': Protocol(
        **_MCT_SEG,
        data='coco',
        paper='MCTformer and MCTformer+, DeepLab-V1 with ResNet38; no COCO settings released, '
        'those of VOC',
    ),
    'seam-voc-val': Protocol(
        task='seg',
        data='voc',
        split='val',
        scales=(0.5, 0.75, 1.0, 1.25, 1.5, 1.75),
        flip=True,
        fusion='mean_logits',
        crf='ssc_test',
        mean='all',
        source='released code of SEAM (semantic-segmentation-codebase)',
        paper='SEAM, DeepLab-V1 with ResNet38',
    ),
    'deeplabv2-voc-val': Protocol(**_DEEPLAB_V2, data='voc'),
    'deeplabv2-coco-val': Protocol(**_DEEPLAB_V2, data='coco'),
    'toco-voc-val': Protocol(**_TOCO_VOC, crf='toco_test', paper='ToCo, Table I'),
    'toco-coco-val': Protocol(**_TOCO_COCO, crf='toco_test', paper='ToCo, Table I'),
    'mcc-voc-val': Protocol(
        **_TOCO_VOC, crf='toco_test', paper='MCC, Table I (several scales and CRF)'
    ),
    'mcc-voc-val-ms': Protocol(**_TOCO_VOC, paper='MCC, Table III (several scales)'),
    'mcc-voc-val-single': Protocol(
        **_MCC_SINGLE,
        data='voc',
        split='val',
        paper='MCC and ToCo during training: resized without keeping the aspect ratio, one scale',
    ),
    'mcc-coco-val': Protocol(**_TOCO_COCO, crf='toco_test', paper='MCC, Table I'),
    'mcc-coco-val_part-single': Protocol(
        **_MCC_SINGLE,
        data='coco',
        split='val_part',
        paper='MCC and ToCo during training: the first 5,000 images, resized without '
        'keeping the aspect ratio, one scale',
    ),
    'cosa-voc-val': Protocol(**_COSA, data='voc', paper=_COSA_NUMBER),
    'cosa-voc-val-crf': Protocol(**_COSA, data='voc', crf='cosa_test', paper=_COSA_CRF_NUMBER),
    'cosa-coco-val': Protocol(**_COSA, data='coco', paper=_COSA_NUMBER),
    'cosa-coco-val-crf': Protocol(**_COSA, data='coco', crf='cosa_test', paper=_COSA_CRF_NUMBER),
    'openimages-wsol-test': Protocol(
        task='wsol',
        data='openimages',
        split='test',
        scales=(),
        thresholds=(0, 1, 0.001),
        tags=GROUND_TRUTH,
        rule='best',
        source='released evaluation code of WSOL (Choe et al., CVPR 2020)',
        paper='OpenImages-WSOL: pIoU and PxAP, pooled over all images; the papers do not '
        'state at which scales',
    ),
}


def find_protocol(name: str) -> Protocol:
    """Return the protocol with a name.

    Raises:
        ValueError: The name is unknown. The message lists the known names.
    """
    if name not in PROTOCOLS:
        raise ValueError(f'protocol {name!r} is unknown; protocols: {", ".join(PROTOCOLS)}')
    return PROTOCOLS[name]


def metric_options(name: str) -> dict[str, Any]:
    """Options of a metric for a protocol.

    Args:
        name (str): Key of :data:`PROTOCOLS`.

    Returns:
        dict: Keyword arguments of :class:`CAMMetric` (maps), :class:`SegMetric` (masks,
            segmentation) or :class:`WSOLMetric`.
    """
    protocol = find_protocol(name)
    if protocol.task == 'wsol' and protocol.thresholds is not None:
        return dict(interval=protocol.thresholds[2], protocol=name)
    common = dict(mean=protocol.mean, rates=protocol.rates, protocol=name)
    if protocol.task == 'cam':
        return dict(common, thresholds=protocol.threshold_values, rule=protocol.rule)
    return dict(
        common,
        ignored_prediction=protocol.ignored_prediction,
        use_image_tags=protocol.tags == SECOND_NUMBER,
    )


def protocol_label(
    name: str | None,
    split: str | None = None,
    num_images: int | None = None,
    num_classes: int | None = None,
) -> str:
    """Name to print next to a number, with a remark if the data are not those of the protocol.

    Args:
        name (str | None): Key of :data:`PROTOCOLS`, any other name, or None.
        split (str, optional): Evaluated split.
        num_images (int, optional): Number of evaluated images.
        num_classes (int, optional): Number of classes including background.

    Returns:
        str
    """
    if name is None or name not in PROTOCOLS:
        return name or CUSTOM
    protocol = PROTOCOLS[name]
    title, classes, splits = DATA[protocol.data]
    expected = splits[protocol.split]
    if (num_images is None or num_images == expected) and (
        num_classes is None or num_classes == classes
    ):
        return name
    found = ' '.join(
        str(part)
        for part in (split, None if num_images is None else f'({num_images:,} images)')
        if part
    )
    return (
        f'{name} (its rules; data: {found or "others"} instead of {title} {protocol.split}, '
        f'{expected:,} images)'
    )


def describe(name: str) -> str:
    """One line about a protocol.

    Returns:
        str
    """
    protocol = find_protocol(name)
    scales = ', '.join(f'{scale:g}' for scale in protocol.scales)
    parts = [f'{DATA[protocol.data][0]} {protocol.split}']
    if protocol.task != 'mask':
        if scales:
            parts.append(
                'original size'
                if protocol.size is None
                else f'resized to {protocol.size[0]} x {protocol.size[1]}'
            )
        flip = ' with flip' if protocol.flip else ''
        parts.append(f'scales {scales}{flip}' if scales else 'size and scales as in the config')
    if protocol.fusion is not None and len(protocol.scales) * (1 + protocol.flip) > 1:
        parts.append(f'fusion {protocol.fusion}')
    if protocol.task == 'seg':
        parts.append(f'CRF {protocol.crf or "none"}')
    if protocol.task == 'cam':
        rule = protocol.rule if isinstance(protocol.rule, str) else f'{protocol.rule:g}'
        sweep = ''
        if protocol.thresholds is not None:
            count = len(protocol.threshold_values or ())
            sweep = f' of {count} from {protocol.thresholds[0]:g}'
        parts.append(f'threshold {rule}{sweep}')
    if protocol.task != 'wsol':
        parts.append(f'mean over {protocol.mean} classes')
    parts.append(f'tags {protocol.tags}')
    return '; '.join(parts)
