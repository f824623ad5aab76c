"""Segmentation quality with all published conventions (those of the released evaluation code)."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from mmengine.logging import print_log
from torch import Tensor

from mmwsss.functional.confusion import (
    class_areas,
    class_iou,
    confusion_matrix,
    mean_over_classes,
    resolve_ignored,
)
from mmwsss.registry import METRICS
from mmwsss.utils.io import write_mask
from mmwsss.utils.names import output_path

from .counter_metric import (
    CounterMetric,
    ground_truth,
    ignored_pixels,
    image_id,
    metric_table,
    sample_field,
)


@METRICS.register_module()
class SegMetric(CounterMetric):
    """mIoU of label maps against masks.

    Samples contain ``pred_sem_seg`` (1,H,W) and ``gt_sem_seg`` (1,H,W), like those of
    MMSegmentation. Results: ``mIoU``, ``FP``, ``FN``, ``IoU`` per class, and other means of IoU
    where they differ.

    With ``use_image_tags`` a second number, ``mIoU_image_tags``, follows the one without tags:
    classes that the image's ground-truth tags exclude are removed from ``seg_logits`` before the
    argmax. CoSA reports its validation numbers this way; it is not a segmentation result of unseen
    images and never replaces ``mIoU``.

    Args:
        use_image_tags (bool): Add the tag-filtered number; samples need ``seg_logits`` (K,H,W) and
            ``gt_tags`` (C,), or labels that were filtered this way, ``pred_sem_seg_image_tags``
            (1,H,W).
        coexist_classes (Sequence[str], optional): Also report ``mIoU_coexist``, the mean IoU of
            these classes. CoSA's C-mIoU does not list its classes, so the choice is left to the
            user.
        mean (str): ``'present'`` (classes in the ground truth), ``'all'`` or ``'union'``.
        ignored_prediction (str): Treatment of a predicted ``ignore_index``: ``'background'``, or
            ``'drop'`` to leave the pixel out. Where any occurs, ``coverage`` is the
            percentage of pixels with a prediction.
        output_dir (str, optional): Folder for palette PNGs ``<id>.png`` of the predictions.
        format_only (bool): Only write files, without ground truth.
        options: ``rates``, ``ignore_index``, ``out_file``, ``protocol`` and ``prefix`` (by default
            ``'seg'``) of :class:`CounterMetric`.
    """

    default_prefix = 'seg'

    def __init__(
        self,
        use_image_tags: bool = False,
        coexist_classes: Sequence[str] | None = None,
        *,
        mean: str = 'present',
        ignored_prediction: str = 'background',
        output_dir: str | None = None,
        format_only: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(mean=mean, **options)
        if format_only and output_dir is None:
            raise ValueError('format_only needs output_dir, the folder to write to')
        if ignored_prediction not in ('background', 'drop'):
            raise ValueError(
                f"ignored_prediction must be 'background' or 'drop', got {ignored_prediction!r}"
            )
        self.use_image_tags = use_image_tags
        self.coexist_classes = tuple(coexist_classes or ())
        self.ignored_prediction = ignored_prediction
        self.output_dir = None if output_dir is None else Path(output_dir)
        self.format_only = format_only

    def counter_shapes(self) -> dict[str, tuple[int, ...]]:
        """Confusion matrices without and with tags; numbers of all pixels and of ignored ones."""
        shape = (len(self.classes), len(self.classes) + 1)
        filtered = {'filtered': shape} if self.use_image_tags else {}
        return {'confusion': shape, **filtered, 'pixels': (2,)}

    def count_image(self, sample: dict[str, Any]) -> dict[str, Tensor]:
        """Confusion matrix of one image; its mask is written if requested."""
        pred = sample_field(
            sample, 'pred_sem_seg', 'SegMetric needs a model that predicts label maps'
        ).squeeze(0)
        if self.output_dir is not None:
            write_mask(output_path(self.output_dir, image_id(sample), '.png'), pred.cpu().numpy())
        if self.format_only:
            return {}
        self._coexist_ids()
        gt = ground_truth(sample).to(pred.device)
        confusion = confusion_matrix(pred, gt, len(self.classes), self.ignore_index)
        addends = {'confusion': confusion, 'pixels': ignored_pixels(gt, confusion.sum())}
        if self.use_image_tags:
            addends['filtered'] = confusion_matrix(
                self._predict_with_tags(sample), gt, len(self.classes), self.ignore_index
            )
        return addends

    def _predict_with_tags(self, sample: dict[str, Any]) -> Tensor:
        if 'pred_sem_seg_image_tags' in sample:  # refined by a CRF
            return sample_field(sample, 'pred_sem_seg_image_tags', '').squeeze(0)
        logits = sample_field(
            sample, 'seg_logits', 'use_image_tags=True needs the scores of all classes'
        )
        tags = sample_field(
            sample, 'gt_tags', 'use_image_tags=True needs a data set with image tags'
        )
        if len(logits) != len(self.classes) or len(tags) != len(self.classes) - 1:
            raise ValueError(
                f'{len(logits)} score planes and {len(tags)} tags do not fit {len(self.classes)} '
                f'classes with background'
            )
        allowed = torch.cat((tags.new_ones(1), tags)).nonzero().flatten().to(logits.device)
        return allowed[logits[allowed].argmax(0)]

    def evaluate(self, size: int) -> dict[str, float]:
        """As :meth:`CounterMetric.evaluate`; if only files were written, only a line is logged."""
        if not self.format_only:
            return super().evaluate(size)
        self._counters = None
        print_log(f'masks are in {self.output_dir}', logger='current')
        return {}

    def compute_metrics(self, counters: dict[str, Tensor]) -> dict[str, Any]:
        """IoU of the confusion matrices."""
        confusion, coexist = counters['confusion'], self._coexist_ids()
        areas = class_areas(resolve_ignored(confusion, self.ignored_prediction))
        results, rows = self.summarize_areas(areas)
        per_class = results.pop('IoU')
        means = [results['mIoU'], results['FP'], results['FN']]
        columns = ['class', 'IoU %', 'FP %', 'FN %']
        if confusion[:, -1].any():
            results['coverage'] = 100 - 100 * float(confusion[:, -1].sum()) / float(confusion.sum())
        if coexist:
            results['mIoU_coexist'] = 100 * float(class_iou(areas)[coexist].mean())
        if self.use_image_tags:
            areas = class_areas(resolve_ignored(counters['filtered'], self.ignored_prediction))
            filtered = class_iou(areas)
            results['mIoU_image_tags'] = 100 * float(mean_over_classes(filtered, areas, self.mean))
            if coexist:
                results['mIoU_coexist_image_tags'] = 100 * float(filtered[coexist].mean())
            rows = [
                (*row, None if row[1] is None else 100 * value)
                for row, value in zip(rows, filtered.tolist())
            ]
            means.append(results['mIoU_image_tags'])
            columns.append('IoU % with image tags')
        self.protocol = dict(
            self.base_protocol(areas),
            use_image_tags=self.use_image_tags,
            ignored_prediction=self.ignored_prediction,
        )
        if coexist:
            self.protocol['coexist_classes'] = list(self.coexist_classes)
        self.table = metric_table(self._title(results), rows, means, columns)
        return dict(results, IoU=per_class)

    def _title(self, results: dict[str, Any]) -> str:
        """Heading of the table."""
        title = f'{self.prefix} mIoU {results["mIoU"]:.2f} (mean over {self.mean} classes'
        if self.use_image_tags:
            title += f'); with ground-truth image tags {results["mIoU_image_tags"]:.2f}'
        else:
            title += ', no image tags used)'
        if self.coexist_classes:
            classes = ', '.join(self.coexist_classes)
            title += f'; C-mIoU {results["mIoU_coexist"]:.2f} over {classes}'
        return title

    def _coexist_ids(self) -> list[int]:
        unknown = [name for name in self.coexist_classes if name not in self.classes]
        if unknown:
            raise ValueError(f'coexist_classes {unknown} are not classes of the data set')
        return [self.classes.index(name) for name in self.coexist_classes]
