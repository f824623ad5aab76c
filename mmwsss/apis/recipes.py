"""Published multi-stage pipelines as functions, which a pipeline config selects as its ``recipe``.

A recipe is registered in :data:`mmwsss.registry.RECIPES`, takes the data set and keyword options,
and returns its stages, the stage that provides every result, and the content of the report. Users
register further recipes in a file that the config lists in ``custom_imports``.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from mmwsss.utils.recipe_registry import RECIPES

from . import stages
from .stages import Stage, StageData


class Recipe(NamedTuple):
    """Result of a recipe.

    Attributes:
        stages: Entries of ``stages``, in order.
        results: Prefix of metrics -> stage that provides them.
        report: ``samples`` of the report, or an empty dict.
    """

    stages: list[Stage]
    results: dict[str, str]
    report: dict[str, Any]


@RECIPES.register_module()
def multi_stage(
    data: StageData,
    *,
    classifier: str,
    segmentor: str,
    affinity: str | None = None,
    method: str = 'psa',
    toy: bool = False,
    test_cams: bool = False,
    unrefined_labels: bool = False,
    seeds: str | None = 'cam_eval',
    thresholds: str | None = None,
    compare: Sequence[str] = (),
    par_rule: str | None = None,
    low_alpha: float | str | None = None,
    high_alpha: float | str | None = None,
    background: float | str | None = None,
    uncertain: float | None = None,
    then_crf: bool = False,
    refiner_options: Mapping[str, Any] | None = None,
    label_sweep: Mapping[str, Any] | None = None,
    mask_sweep: Mapping[str, Any] | None = None,
    sweep_images: int | None = None,
    initial: str | None = None,
    initial_segmentor: bool = False,
    affinity_options: Mapping[str, Any] | None = None,
    protocol: str | None = None,
    tta: bool = False,
    crf: str | None = None,
) -> Recipe:
    """Classifier, maps, pseudo masks, segmentation network: MCTformer, MCTformer+, AReAM and ACR.

    Args:
        data: The data set.
        classifier: Config of the classifier.
        segmentor: Config of the segmentation network.
        affinity: Config of the affinity network if ``method`` is ``'psa'`` or ``'irn'``.
        method: Refiner that computes the pseudo masks.
        toy: Draw the toy shapes first.
        test_cams: Also test the maps on the test split of the classifier.
        unrefined_labels: Labels of the affinity network come from maps without refinement by the
            patch affinity (ACR*), while the walk starts from refined maps.
        seeds: Name of the stage that evaluates the maps of ``data.eval_split``; None: no
            evaluation.
        thresholds: ``START:STOP:STEP`` of its sweep.
        compare: Further refiners whose masks are evaluated, named by method.
        par_rule: Label rule of ``'par'``.
        low_alpha: Exponent of the strong background of the affinity labels.
        high_alpha: Exponent of the weak background.
        background: Background score of the masks. Default: the best threshold of ``seeds``.
        uncertain: Half width of the band of background scores in which a pixel is ignored.
        then_crf: Dense CRF on the scores of the walk.
        refiner_options: Further options of the refiner ``method``, by the names in its constructor.
        label_sweep: Values of ``low_alpha`` and ``high_alpha``, of which a stage selects the best
            ones with the masks of ``data.eval_split``; values given above are kept.
        mask_sweep: The same for the options of the masks: ``background``, ``beta``, ``log2_steps``.
        sweep_images: Number of images for both sweeps; default: all.
        initial: Initial weights of the affinity network.
        initial_segmentor: Also initialise the segmentation network from ``initial``.
        affinity_options: Overrides of the config of the affinity network.
        protocol: Protocol of the segmentation test; else ``tta`` and ``crf`` apply.
        tta: Test-time augmentation of the segmentation network.
        crf: Preset of the dense CRF of the segmentation test.
    """
    checkpoint = '{classifier.checkpoint}'
    seed_threshold = f'{{{seeds or "classifier"}:cam/best_threshold}}'
    threshold = seed_threshold if background is None else background
    chain = [stages.make_toy_data(data)] if toy else []
    chain.append(stages.train('classifier', classifier, data))
    if test_cams:
        chain.append(stages.test('cam_test', classifier, checkpoint, data, out='cams'))
    if unrefined_labels:
        chain.append(stages.generate_cams('cams_star', classifier, checkpoint, data, refine=False))
    refine = True if unrefined_labels else None
    chain.append(stages.generate_cams('cams', classifier, checkpoint, data, refine=refine))
    if seeds:
        chain.append(stages.evaluate(seeds, data, cams='{cams}', thresholds=thresholds))
    for other in compare:
        chain += _compared(other, data, threshold, par_rule)
    walk: dict[str, Any] = {}
    if affinity is not None:
        label_cams = '{cams_star}' if unrefined_labels else '{cams}'
        alphas: dict[str, Any] = dict(low_alpha=low_alpha, high_alpha=high_alpha)
        if label_sweep:
            chain.append(
                stages.sweep_refinement(
                    'label_sweep',
                    data,
                    label_cams,
                    method='labels',
                    values={**label_sweep, **_given(alphas)},
                    num=sweep_images,
                )
            )
            alphas = {**_best('label_sweep', label_sweep), **_given(alphas)}
        chain += [
            stages.make_affinity_labels(
                'affinity_labels', data, label_cams, method=method, **alphas
            ),
            stages.train(
                'affinity',
                affinity,
                data,
                options={
                    'train_dataloader.dataset.data_prefix.affinity_path': '{affinity_labels}',
                    **_initial(initial),
                    **(affinity_options or {}),
                },
            ),
        ]
        walk = dict(config=affinity, checkpoint='{affinity.checkpoint}')
    choice = _background_options(method, threshold, par_rule)
    if mask_sweep:
        fixed = _given(dict(background=background))
        chain.append(
            stages.sweep_refinement(
                'mask_sweep',
                data,
                '{cams}',
                method=method,
                values={**mask_sweep, **fixed, **({'preset': 'psa'} if then_crf else {})},
                num=sweep_images,
                **walk,
            )
        )
        choice = {**_best('mask_sweep', mask_sweep), **fixed}
    chain += [
        stages.refine_cams(
            'masks',
            data,
            '{cams}',
            method=method,
            uncertain=uncertain,
            options=refiner_options,
            then_crf=then_crf,
            **choice,
            **walk,
        ),
        stages.evaluate('mask_eval', data, masks='{masks}'),
        *_segmentation(
            data,
            segmentor,
            initial=initial if initial_segmentor else None,
            protocol=protocol,
            tta=tta,
            crf=crf,
        ),
    ]
    results = dict(
        cam='cam_test' if test_cams else seeds or 'classifier',
        mask='mask_eval',
        seg='segmentation_test',
    )
    if test_cams and seeds:
        results = dict(seed=seeds, **results)
    cams = '{cam_test}/cams' if test_cams else None
    return Recipe(
        chain, results, _report(data, cams=cams, seg='{segmentation_test}/masks', masks='{masks}')
    )


@RECIPES.register_module()
def single_stage(
    data: StageData,
    *,
    network: str,
    toy: bool = False,
    protocol: str | None = None,
    tta: bool = False,
    crf: str | None = None,
    best: bool = False,
    online: bool = False,
) -> Recipe:
    """One training run from tags to segmentation: MCC, ToCo and CoSA.

    Args:
        data: The data set.
        network: Config of the method.
        toy: Draw the toy shapes first, and write maps of their test images for the report.
        protocol: Protocol of the first test, which is the published one.
        tta: Add a second test with the test-time augmentation of the config.
        crf: Preset of the dense CRF of that second test.
        best: Test the checkpoint that the validation selected instead of the last one.
        online: Also test the online network, in addition to its moving average (CoSA reports the
            better of the two).
    """
    checkpoint = _trained(best)
    chain = [stages.make_toy_data(data)] if toy else []
    chain.append(stages.train('training', network, data))
    if toy:
        chain.append(stages.generate_cams('cams', network, checkpoint, data, split='test'))
    out = 'masks' if toy else None
    chain.append(stages.test('test', network, checkpoint, data, protocol=protocol, out=out))
    if online:
        chain.append(_online_test(network, checkpoint, data, protocol))
    if tta or crf:
        chain.append(
            stages.test('tta_test', network, checkpoint, data, tta=tta, crf=crf, out='masks')
        )
    results = dict(cam='test', aux_cam='test', seg='tta_test' if tta or crf else 'test')
    results = dict(seg=results['seg']) if protocol else dict(results, tags='test')
    if online:
        results['online'] = 'test_online'
    report = _report(data, cams='{cams}', seg='{test}/masks') if toy else {}
    return Recipe(chain, results, report)


@RECIPES.register_module()
def single_stage_masks(
    data: StageData,
    *,
    network: str,
    segmentor: str,
    threshold: float = 0.5,
    export: str = 'main',
    initial: str | None = None,
    best: bool = True,
    protocol: str | None = None,
    tta: bool = False,
) -> Recipe:
    """CoSA-MS: a segmentation network is trained on the thresholded maps of a single-stage network.

    Args:
        data: The data set.
        network: Config of the single-stage method.
        segmentor: Config of the segmentation network.
        threshold: Background threshold of the maps.
        export: Maps of the ``'main'`` classifier, or of both (``'ensemble'``).
        initial: Initial weights of the segmentation network; None: those of its config.
        best: Use the checkpoint that the validation selected instead of the last one.
        protocol: Protocol of the segmentation test; else ``tta`` applies.
        tta: Test-time augmentation of the segmentation network.
    """
    checkpoint = _trained(best)
    chain = [
        stages.train('training', network, data),
        stages.test('test', network, checkpoint, data),
        stages.generate_cams(
            'masks',
            network,
            checkpoint,
            data,
            masks=threshold,
            options={'model.test_cfg.export': export},
        ),
        stages.evaluate('mask_eval', data, masks='{masks}'),
        *_segmentation(data, segmentor, initial=initial, protocol=protocol, tta=tta),
    ]
    results = dict(cam='test', aux_cam='test', mask='mask_eval', seg='segmentation_test')
    return Recipe(chain, results, {})


@RECIPES.register_module()
def own_photos(
    data: StageData,
    *,
    classifier: str,
    segmentor: str,
    num_classes: int | str,
    batch_size: int | str,
    epochs: int | str,
    iterations: int | str,
    threshold: float | str = 'suggested',
    train_list: str = '',
) -> Recipe:
    """Masks and a segmentation network from photos and tags, without ground truth and therefore
    without evaluation.

    Args:
        data: The data set; every photo of its table is used.
        classifier: Config of the classifier.
        segmentor: Config of the segmentation network.
        num_classes: Number of tags, without background.
        batch_size: Total batch of the classifier.
        epochs: Epochs of the classifier.
        iterations: Iterations of the segmentation network.
        threshold: Background threshold of the maps; ``'suggested'``: that of
            ``tools/suggest_threshold.py``.
        train_list: List of the training photos, below the data set; empty: all.
    """
    photos = {'train_dataloader.dataset.ann_file': train_list} if train_list else {}
    tags = {'model.num_classes': num_classes}
    batch = {'total_batch_size': batch_size, 'train_dataloader.batch_size': batch_size}
    labels = {'model.decode_head.num_classes': int(num_classes) + 1}
    chain = [
        stages.train(
            'classifier', classifier, data, options={**tags, **batch, **photos, **_length(epochs)}
        ),
        stages.generate_cams(
            'cams', classifier, '{classifier.checkpoint}', data, split='all', options=tags
        ),
    ]
    if threshold == 'suggested':
        chain.append(stages.suggest_threshold('threshold', data, '{cams}'))
        threshold = '{threshold:threshold}'
    chain += [
        stages.refine_cams('masks', data, '{cams}', method='par', low=threshold, high=threshold),
        stages.train(
            'segmentation',
            segmentor,
            data,
            options={
                'train_dataloader.dataset.data_prefix.pseudo_mask_path': '{masks}',
                **labels,
                **photos,
                'train_cfg.max_iters': iterations,
                'param_scheduler.0.end': int(iterations) + 1,
            },
        ),
        stages.test(
            'predictions',
            segmentor,
            '{segmentation.checkpoint}',
            data,
            options={**labels, 'test_evaluator.0.output_dir': '{predictions}/masks'},
        ),
        stages.audit_tags(
            'tag_audit', data, cams='{cams}', masks='{masks}', predictions='{predictions}/masks'
        ),
    ]
    sample = dict(
        images=data.images,
        tags=f'{data.root}/image_tags.csv',
        classes=data.classes,
        list=f'{data.root}/all.txt',
        cams='{cams}',
        mask='{masks}',
        seg='{predictions}/masks',
    )
    return Recipe(chain, {}, dict(samples=[sample], findings='{tag_audit}'))


def _length(epochs: int | str) -> dict[str, int | str]:
    """Overrides of a training run by epochs with one schedule."""
    return {'train_cfg.max_epochs': epochs, 'param_scheduler.0.end': epochs}


def _trained(best: bool) -> str:
    """Checkpoint of the stage ``training``."""
    return '{training.best_checkpoint}' if best else '{training.checkpoint}'


def _online_test(network: str, checkpoint: str, data: StageData, protocol: str | None) -> Stage:
    """Test of the online network, in addition to its moving average."""
    return stages.test(
        'test_online',
        network,
        checkpoint,
        data,
        protocol=protocol,
        options={'model.test_cfg.network': 'online'},
    )


def _segmentation(
    data: StageData,
    segmentor: str,
    *,
    initial: str | None = None,
    protocol: str | None = None,
    tta: bool = False,
    crf: str | None = None,
) -> list[Stage]:
    """Train a segmentation network on the stage ``masks`` and test it."""
    masks = {'train_dataloader.dataset.data_prefix.pseudo_mask_path': '{masks}'}
    return [
        stages.train('segmentation', segmentor, data, options={**masks, **_initial(initial)}),
        stages.test(
            'segmentation_test',
            segmentor,
            '{segmentation.checkpoint}',
            data,
            protocol=protocol,
            tta=tta,
            crf=crf,
            out='masks',
        ),
    ]


def _compared(
    method: str, data: StageData, threshold: float | str, par_rule: str | None
) -> list[Stage]:
    """Masks of another refiner, which are only evaluated."""
    options = _background_options(method, threshold, par_rule)
    return [
        stages.refine_cams(method, data, '{cams}', method=method, split=data.eval_split, **options),
        stages.evaluate(f'{method}_eval', data, masks=f'{{{method}}}'),
    ]


def _background_options(
    method: str, threshold: float | str, par_rule: str | None
) -> dict[str, Any]:
    """Options of a refiner for the background; PAR has two thresholds, which are set to the same
    value here.
    """
    if method == 'par':
        return dict(rule=par_rule, low=threshold, high=threshold)
    return dict(background=threshold)


def _best(sweep: str, values: Mapping[str, Any]) -> dict[str, str]:
    """Best value of each option of a sweep."""
    return {option: f'{{{sweep}:best/{option}}}' for option in values}


def _given(options: Mapping[str, Any]) -> dict[str, Any]:
    """Options that the recipe fixes, which a sweep does not vary."""
    return {name: value for name, value in options.items() if value is not None}


def _initial(weights: str | None) -> dict[str, str]:
    """Overrides that initialise a backbone from a file."""
    if weights is None:
        return {}
    return {
        'model.backbone.init_cfg.type': 'Pretrained',
        'model.backbone.init_cfg.checkpoint': weights,
    }


def _report(
    data: StageData, *, cams: str | None, seg: str, masks: str | None = None
) -> dict[str, Any]:
    """Pictures of the report: images with tags, ground truth, maps and predictions; in addition,
    training images with the maps and pseudo masks of the training.
    """
    common = dict(
        images=data.images,
        raw_pixels=data.raw_pixels,
        tags=f'{data.root}/image_tags.csv',
        gt=data.gt,
        classes=data.classes,
    )
    samples: list[dict[str, Any]] = []
    if data.sample_split is not None:
        own = {} if cams is None else dict(cams=cams)
        samples.append(dict(common, list=data.list(data.sample_split), seg=seg, **own))
    if masks is not None:
        samples.append(dict(common, list=data.list(data.eval_split), cams='{cams}', mask=masks))
    return dict(samples=samples)
