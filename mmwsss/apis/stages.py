"""Stages of a pipeline as functions: each returns one entry of ``stages``, a tool with its
arguments.

Arguments may hold the placeholders of :class:`mmwsss.apis.pipeline.Pipeline`, such as ``{cams}``
for the folder of the stage ``cams`` or ``{classifier.checkpoint}``.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Stage = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class StageData:
    """The data set of a pipeline.

    Attributes:
        root: Folder with ``JPEGImages``, ``ImageSets/Segmentation`` and the masks.
        masks: Folder of the ground-truth masks below ``root``.
        split: List whose images get maps and pseudo masks.
        eval_split: List whose images are evaluated against ``masks``.
        sample_split: List of the images in the report; None: no pictures.
        class_file: Whether ``root`` holds a ``classes.txt``; otherwise the classes are those of
            VOC.
        raw_pixels: Whether masks follow the stored pixels of photos, not their EXIF orientation.
    """

    root: str
    masks: str = 'SegmentationClass'
    split: str = 'train'
    eval_split: str = 'train'
    sample_split: str | None = None
    class_file: bool = True
    raw_pixels: bool = False

    @property
    def images(self) -> str:
        """Folder of the images."""
        return f'{self.root}/JPEGImages'

    @property
    def gt(self) -> str:
        """Folder of the ground-truth masks."""
        return f'{self.root}/{self.masks}'

    @property
    def classes(self) -> str | None:
        """File of the class names."""
        return f'{self.root}/classes.txt' if self.class_file else None

    def list(self, split: str) -> str:
        """File with the image ids of a split."""
        return f'{self.root}/ImageSets/Segmentation/{split}.txt'


def make_toy_data(data: StageData, *, name: str = 'data') -> Stage:
    """Draw the toy shapes; the tool skips them if they exist."""
    return _stage(name, 'dataset_converters/toy_shapes.py', out=data.root, always=True)


def train(
    name: str, config: str, data: StageData, *, options: Mapping[str, Any] | None = None
) -> Stage:
    """Train a network.

    Args:
        name: Name of the stage.
        config: Name of a config in ``configs/`` without ``.py``, or its path.
        data: Data set that replaces the root of every data set of the config.
        options: Overrides of the config.
    """
    return _stage(
        name,
        'train.py',
        _config(config),
        work_dir=f'{{{name}}}',
        cfg_options=_options(data, options),
    )


def test(
    name: str,
    config: str,
    checkpoint: str,
    data: StageData,
    *,
    out: str | None = None,
    protocol: str | None = None,
    tta: bool = False,
    crf: str | None = None,
    options: Mapping[str, Any] | None = None,
) -> Stage:
    """Test a network.

    Args:
        name: Name of the stage.
        config: Name of a config in ``configs/`` without ``.py``, or its path.
        checkpoint: Weights, such as ``{training.checkpoint}``.
        data: Data set that replaces the root of every data set of the config.
        out: Folder for the predictions, below the folder of the stage.
        protocol: Published protocol, which sets scales, flip and CRF.
        tta: Test-time augmentation of the config.
        crf: Preset of the dense CRF on the segmentation scores.
        options: Overrides of the config.
    """
    return _stage(
        name,
        'test.py',
        _config(config),
        checkpoint,
        work_dir=f'{{{name}}}',
        protocol=protocol,
        tta=tta,
        crf=crf,
        out=None if out is None else f'{{{name}}}/{out}',
        cfg_options=_options(data, options),
    )


def generate_cams(
    name: str,
    config: str,
    checkpoint: str,
    data: StageData,
    *,
    split: str | None = None,
    refine: bool | None = None,
    masks: float | None = None,
    options: Mapping[str, Any] | None = None,
) -> Stage:
    """Write class activation maps, or masks from thresholded maps.

    Args:
        name: Name of the stage.
        config: Name of a config in ``configs/`` without ``.py``, or its path.
        checkpoint: Weights, such as ``{classifier.checkpoint}``.
        data: Data set that replaces the root of every data set of the config.
        split: Default: ``data.split``.
        refine: Refine the maps by the patch affinity; None: as in the config.
        masks: Write masks at this background threshold instead of maps.
        options: Overrides of the config.
    """
    return _stage(
        name,
        'generate_cams.py',
        _config(config),
        checkpoint,
        split=split or data.split,
        out=f'{{{name}}}',
        half=masks is None,
        refine=refine is True,
        no_refine=refine is False,
        masks=masks,
        cfg_options=_options(data, options),
    )


def evaluate(
    name: str,
    data: StageData,
    *,
    cams: str | None = None,
    masks: str | None = None,
    thresholds: str | None = None,
) -> Stage:
    """Evaluate maps by a sweep of the background threshold, or pseudo masks by mIoU.

    Args:
        name: Name of the stage.
        data: Data set whose ``eval_split`` is evaluated.
        cams: Folder of CAM files.
        masks: Folder of masks, instead of ``cams``.
        thresholds: ``START:STOP:STEP`` of the sweep.
    """
    return _stage(
        name,
        'evaluate_masks.py',
        gt=data.gt,
        list=data.list(data.eval_split),
        cams=cams,
        masks=masks,
        thresholds=thresholds,
        classes=data.classes,
        json=f'{{{name}}}/metrics.json',
    )


def make_affinity_labels(
    name: str,
    data: StageData,
    cams: str,
    *,
    method: str = 'psa',
    low_alpha: float | str | None = None,
    high_alpha: float | str | None = None,
) -> Stage:
    """Compute the training labels of an affinity network.

    Args:
        name: Name of the stage.
        data: Data set whose images are read.
        cams: Folder of CAM files.
        method: ``'psa'`` or ``'irn'``.
        low_alpha: PSA: exponent of the strong background.
        high_alpha: PSA: exponent of the weak background.
    """
    return _stage(
        name,
        'make_affinity_labels.py',
        cams=cams,
        images=data.images,
        raw_pixels=data.raw_pixels,
        out=f'{{{name}}}',
        method=method,
        low_alpha=low_alpha,
        high_alpha=high_alpha,
        classes=data.classes,
    )


def refine_cams(
    name: str,
    data: StageData,
    cams: str,
    *,
    method: str,
    split: str | None = None,
    background: float | str | None = None,
    uncertain: float | None = None,
    rule: str | None = None,
    low: float | str | None = None,
    high: float | str | None = None,
    config: str | None = None,
    checkpoint: str | None = None,
    then_crf: bool = False,
    beta: float | str | None = None,
    log2_steps: int | str | None = None,
    preset: str | None = None,
    options: Mapping[str, Any] | None = None,
) -> Stage:
    """Refine maps into pseudo masks.

    Args:
        name: Name of the stage.
        data: Data set whose images are read.
        cams: Folder of CAM files.
        method: Registered name of the refiner, such as ``'psa'``, ``'irn'``, ``'crf'``, ``'par'``
            or that of a user-defined refiner.
        split: Only the images of this list; default: all CAM files.
        background: Score of the background.
        uncertain: Half width of the band of background scores in which a pixel is ignored.
        rule: Label rule of PAR.
        low: PAR: pixels below it are background.
        high: PAR: pixels above it get a class.
        config: Config of the affinity network, by name or path.
        checkpoint: Weights of the affinity network.
        then_crf: Dense CRF on the scores of the walk.
        beta: Exponent of the affinities.
        log2_steps: The walk has 2^log2_steps steps.
        preset: Preset of the dense CRF.
        options: Further options of the refiner, by the names in its constructor.
    """
    return _stage(
        name,
        'refine_cams.py',
        cams=cams,
        images=data.images,
        raw_pixels=data.raw_pixels,
        out=f'{{{name}}}',
        method=method,
        rule=rule,
        list=None if split is None else data.list(split),
        low=low,
        high=high,
        then_crf=then_crf,
        config=None if config is None else _config(config),
        checkpoint=checkpoint,
        beta=beta,
        log2_steps=log2_steps,
        preset=preset,
        background=background,
        uncertain=uncertain,
        classes=data.classes,
        cfg_options=dict(refiner=options) if options else None,
    )


def sweep_refinement(
    name: str,
    data: StageData,
    cams: str,
    *,
    method: str,
    values: Mapping[str, Any],
    num: int | None = None,
    config: str | None = None,
    checkpoint: str | None = None,
) -> Stage:
    """Select settings of a refiner on images with masks; later stages read
    ``{<name>:best/<option>}``.

    Args:
        name: Name of the stage.
        data: Data set whose ``eval_split`` is used.
        cams: Folder of CAM files.
        method: ``'threshold'``, ``'crf'``, ``'psa'``, ``'irn'``, or ``'labels'`` of PSA.
        values: Values of each option, as :func:`mmwsss.apis.mask_sweep.parse_values` reads them.
        num: Number of images; default: all.
        config: Config of the affinity network, by name or path.
        checkpoint: Weights of the affinity network.
    """
    return _stage(
        name,
        'sweep_refinement.py',
        method=method,
        values=[f'{option}={texts}' for option, texts in values.items()],
        cams=cams,
        images=data.images,
        raw_pixels=data.raw_pixels,
        gt=data.gt,
        list=data.list(data.eval_split),
        num=num,
        out=f'{{{name}}}',
        config=None if config is None else _config(config),
        checkpoint=checkpoint,
        classes=data.classes,
    )


def suggest_threshold(name: str, data: StageData, cams: str) -> Stage:
    """Select a background threshold of maps without ground truth.

    Args:
        name: Name of the stage.
        data: Data set whose images are read.
        cams: Folder of CAM files.
    """
    return _stage(
        name,
        'suggest_threshold.py',
        cams=cams,
        images=data.images,
        json=f'{{{name}}}/metrics.json',
    )


def audit_tags(name: str, data: StageData, *, cams: str, masks: str, predictions: str) -> Stage:
    """Search for confounded, wrong and missing tags, and for photos to annotate next.

    Args:
        name: Name of the stage.
        data: Data set with the photos and tags.
        cams: Folder of CAM files.
        masks: Folder of the pseudo masks.
        predictions: Folder of the predicted masks of a network.
    """
    return _stage(
        name,
        'analysis_tools/audit_tags.py',
        data.root,
        cams=cams,
        masks=masks,
        predictions=predictions,
        out=f'{{{name}}}',
    )


def _stage(
    name: str,
    tool: str,
    *positional: str,
    always: bool = False,
    cfg_options: Mapping[str, Any] | None = None,
    **options: Any,
) -> Stage:
    """Entry of ``stages``: options that are None or False are left out, True becomes a flag."""
    args = list(positional)
    for option, value in options.items():
        if value is None or value is False:
            continue
        args.append(f'--{option.replace("_", "-")}')
        if isinstance(value, list):
            args += map(str, value)
        elif value is not True:
            args.append(str(value))
    if cfg_options:
        args += ['--cfg-options', *override_words(cfg_options)]
    return dict(name=name, tool=tool, args=args, **({'always': True} if always else {}))


def override_words(options: Mapping[str, Any], prefix: str = '') -> list[str]:
    """Nested options as ``--cfg-options`` reads them.

    Args:
        options: ``{'a.b': value}`` or ``{'a': {'b': value}}``.
        prefix: Prefix of every key.

    Returns:
        ``['a.b=value', ...]``.
    """
    words: list[str] = []
    for key, value in options.items():
        if isinstance(value, Mapping) and value:
            words += override_words(value, f'{prefix}{key}.')
        else:
            words.append(f'{prefix}{key}={_word(value)}')
    return words


def _word(value: Any) -> str:
    """Text of an override value; lists are written without blanks, which would end the value."""
    if isinstance(value, (list, tuple)):
        ends = '[]' if isinstance(value, list) else '()'
        return f'{ends[0]}{",".join(map(_word, value))}{ends[1]}'
    return str(value)


def _config(name: str) -> str:
    """Path of a config given by its name below ``configs/``."""
    return name if name.endswith('.py') else f'{{configs}}/{name}.py'


def _options(data: StageData, options: Mapping[str, Any] | None) -> dict[str, Any]:
    """Overrides of a config, preceded by the root of the data."""
    return {'data_root': data.root, **(options or {})}
