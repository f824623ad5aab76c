"""Quality of CAMs as seeds by an exact background threshold sweep in one pass."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from mmwsss.functional.confusion import ClassAreas, class_iou, mean_over_classes
from mmwsss.functional.thresholds import (
    OFFICIAL_THRESHOLDS,
    curves_from_counts,
    make_thresholds,
    select_threshold,
    sweep_counts,
)
from mmwsss.registry import METRICS

from .counter_metric import (
    CounterMetric,
    ground_truth,
    ignored_pixels,
    metric_table,
    sample_field,
)


@METRICS.register_module()
class CAMMetric(CounterMetric):
    """mIoU of class activation maps against masks, at every background threshold.

    A pixel is assigned the present class with the highest score, or background where no score
    exceeds the threshold. The result equals labelling and counting the whole data set once per
    threshold, for any number of thresholds. Samples contain ``pred_cams`` (K,H,W), ``cam_keys`` (K
    ids) and ``gt_sem_seg`` (1,H,W) of the same size; K=0 is an image of background.

    Results: ``mIoU``, ``best_threshold`` (the one that ``rule`` selects), ``FP``, ``FN``, ``IoU``
    per class, other means of IoU where they differ, and two chance levels: ``all_background_mIoU``
    (background everywhere) and ``painted_tags_mIoU`` (each image filled with the lowest of its
    classes, or background if it has none). :attr:`curve` has ``thresholds``, ``mIoU``, ``FP``,
    ``FN`` and ``IoU`` {class: list} at all thresholds.

    Args:
        thresholds (Sequence[float], optional): Ascending, >= 0; default 0.00 ... 0.59.
        rule (str | float): ``'best'``, ``'greedy'`` (first threshold that does not improve ends the
            sweep) or a number, which is added to the sweep if necessary.
        field (str): Maps to evaluate: ``'pred_cams'``, or ``'pred_aux_cams'`` of an auxiliary
            classifier.
        options: ``mean`` (by default ``'all'`` as in the released code: absent classes count as 0),
            ``rates``, ``ignore_index``, ``out_file``, ``protocol`` and ``prefix`` (by default
            ``'cam'``) of :class:`CounterMetric`.
    """

    default_prefix = 'cam'

    def __init__(
        self,
        thresholds: Sequence[float] | None = None,
        rule: str | float = 'best',
        *,
        field: str = 'pred_cams',
        **options: Any,
    ) -> None:
        super().__init__(**options)
        thresholds = (
            OFFICIAL_THRESHOLDS
            if thresholds is None
            else tuple(float(value) for value in thresholds)
        )
        if isinstance(rule, str):
            if rule not in ('best', 'greedy'):
                raise ValueError(
                    f"the threshold rule is 'best', 'greedy' or a number, got {rule!r}"
                )
        elif not bool(
            (make_thresholds(thresholds) == torch.tensor(rule, dtype=torch.float32)).any()
        ):
            thresholds = tuple(sorted((*thresholds, float(rule))))
        self.thresholds = thresholds
        self.rule = rule
        self.field = field
        self._limits = make_thresholds(thresholds)

    def counter_shapes(self) -> dict[str, tuple[int, ...]]:
        """Counts of the sweep; predicted and hit pixels of painted tags; numbers of images whose
        maps are those of their tags, and of other images; numbers of all pixels, and of ignored
        ones.
        """
        classes = len(self.classes)
        return {
            'sweep': (3 * classes - 2, len(self.thresholds) + 1),
            'painted': (2, classes),
            'tags': (2,),
            'pixels': (2,),
        }

    def count_image(self, sample: dict[str, Any]) -> dict[str, Tensor]:
        """Counts of one image at all thresholds."""
        cams = sample_field(
            sample, self.field, 'CAMMetric needs a model that predicts class activation maps'
        )
        keys = sample_field(
            sample, 'cam_keys', f'{self.field} are set together with their class ids'
        )
        gt = ground_truth(sample).to(cams.device)
        num_classes = len(self.classes)
        sweep = sweep_counts(cams, keys, gt, self._limits, num_classes, self.ignore_index)
        target = sweep[2 * num_classes - 2 :].sum(1)
        painted = torch.zeros_like(target).repeat(2, 1)
        label = min(keys) + 1 if len(keys) else 0
        painted[:, label] = torch.stack((target.sum(), target[label]))
        tags = torch.zeros_like(target[:2])
        if 'gt_tags' in sample:
            of_image = sample['gt_tags'].nonzero().flatten().tolist()
            tags[0 if sorted(int(key) for key in keys) == of_image else 1] = 1
        pixels = ignored_pixels(gt, target.sum())
        return {'sweep': sweep, 'painted': painted, 'tags': tags, 'pixels': pixels}

    def compute_metrics(self, counters: dict[str, Tensor]) -> dict[str, Any]:
        """Sweep curve, the chosen threshold and the chance levels."""
        curves = curves_from_counts(counters['sweep'], self.mean, self.rates)
        index = select_threshold(curves.miou, self.rule, self._limits)
        chosen = ClassAreas(*(area[index] for area in curves.areas))
        results, rows = self.summarize_areas(chosen)
        chance = self._chance_levels(chosen.target, counters['painted'])
        per_class = results.pop('IoU')
        results = dict(results, best_threshold=self.thresholds[index], **chance, IoU=per_class)
        self.protocol = self._protocol(counters, chosen, index)
        self.curve = {
            'thresholds': list(self.thresholds),
            'mIoU': (100 * curves.miou).tolist(),
            'FP': (100 * curves.false_positive).tolist(),
            'FN': (100 * curves.false_negative).tolist(),
            'IoU': {
                name: (100 * curves.iou[:, number]).tolist()
                for number, name in enumerate(self.classes)
            },
        }
        self.table = self._table(results, rows, index)
        return results

    def _chance_levels(self, target: Tensor, painted: Tensor) -> dict[str, float]:
        """mIoU of background everywhere and of painted tags."""
        background = torch.zeros_like(target).repeat(2, 1)
        background[:, 0] = torch.stack((target.sum(), target[0]))
        chance = {}
        for name, (predicted, hit) in (
            ('all_background_mIoU', background),
            ('painted_tags_mIoU', painted),
        ):
            areas = ClassAreas(hit, predicted, target)
            chance[name] = 100 * float(mean_over_classes(class_iou(areas), areas, self.mean))
        return chance

    def _protocol(
        self, counters: dict[str, Tensor], areas: ClassAreas, index: int
    ) -> dict[str, Any]:
        of_tags, other = counters['tags'].tolist()
        tags = 'ground truth' if of_tags else 'those of the CAMs'
        return dict(
            self.base_protocol(areas),
            rule=self.rule,
            threshold=self.thresholds[index],
            thresholds=[self.thresholds[0], self.thresholds[-1]],
            num_thresholds=len(self.thresholds),
            tags='predicted' if other else tags,
        )

    def _table(self, results: dict[str, Any], rows: Sequence[Sequence[Any]], index: int) -> str:
        count = len(self.thresholds)
        names = {'best': f'best of {count} thresholds', 'greedy': 'greedy rule'}
        how = names.get(str(self.rule), 'fixed')
        if self.rule == 'best' and count > 1 and index == count - 1:
            how += ', the last one: the sweep should go on'
        maps = (
            'CAM'
            if self.field == 'pred_cams'
            else self.field.removeprefix('pred_').replace('_', ' ')
        )
        title = (
            f'{maps} mIoU {results["mIoU"]:.2f} at threshold {self.thresholds[index]:g} ({how}; '
            f'mean over {self.mean} classes); '
            f'all background {results["all_background_mIoU"]:.2f}, painted tags '
            f'{results["painted_tags_mIoU"]:.2f}'
        )
        return metric_table(title, rows, (results['mIoU'], results['FP'], results['FN']))
