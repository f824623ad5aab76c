"""Quality of tag predictions."""

from collections.abc import Sequence
from typing import Any

import torch
from mmengine.evaluator import BaseMetric
from mmengine.logging import print_log
from mmpretrain.evaluation import AveragePrecision
from torch import Tensor

from mmwsss.registry import METRICS

from .counter_metric import sample_field
from .protocols import protocol_label


@METRICS.register_module()
class TagMetric(BaseMetric):
    """Mean average precision of multi-label classification.

    Samples contain ``pred_scores`` (C,) and ``gt_tags`` (C,). Results in percent: ``mAP``, mean
    over classes of the average precision (a class without a tagged image counts as 0);
    ``mAP_present``, over classes that some image has, where it differs; ``mAP_per_image``, mean
    over tagged images of the average precision of the image's class ranking, called mAP in
    MCTformer's training log (released code of MCTformer); and ``F1_per_image``, mean over images of
    the F1 of the classes with a score above 0.5, 0 for an image without a correct one (the
    classification score of ToCo and MCC).

    Args:
        collect_device (str): ``'cpu'`` or ``'gpu'``, the way in which processes exchange scores.
        collect_dir (str, optional): Shared folder for ``'cpu'``.
        protocol (str, optional): Name of the protocol that is followed.
        prefix (str, optional): Default ``'tags'``.
    """

    default_prefix = 'tags'

    def __init__(
        self,
        *,
        collect_device: str = 'cpu',
        collect_dir: str | None = None,
        protocol: str | None = None,
        prefix: str | None = None,
    ) -> None:
        super().__init__(collect_device=collect_device, collect_dir=collect_dir, prefix=prefix)
        self.protocol_name = protocol
        self.protocol: dict[str, Any] = {}

    def process(self, data_batch: Any, data_samples: Sequence[dict[str, Any]]) -> None:
        """Store scores and tags of a batch.

        Args:
            data_batch: Not used.
            data_samples (Sequence[dict]): Samples as dictionaries.
        """
        for sample in data_samples:
            scores = (
                sample_field(sample, 'pred_scores', 'TagMetric needs a model that predicts tags')
                .detach()
                .float()
                .cpu()
            )
            tags = (
                sample_field(sample, 'gt_tags', 'TagMetric needs a data set with image tags')
                .detach()
                .float()
                .cpu()
            )
            if scores.shape != tags.shape:
                raise ValueError(
                    f'{sample.get("img_path")}: {tuple(scores.shape)} scores for '
                    f'{tuple(tags.shape)} tags'
                )
            self.results.append((scores, tags))

    def evaluate(self, size: int) -> dict[str, float]:
        """As :class:`mmengine.evaluator.BaseMetric`; also logs the result with the name of the
        protocol.
        """
        metrics = super().evaluate(size)
        meta = self.dataset_meta or {}
        label = protocol_label(
            self.protocol_name,
            meta.get('split'),
            size,
            len(meta['classes']) if meta.get('classes') else None,
        )
        self.protocol = dict(name=label, **({'split': meta['split']} if meta.get('split') else {}))
        numbers = ', '.join(f'{name} {value:.2f}' for name, value in metrics.items())
        print_log(f'{numbers}; protocol: {label}', logger='current')
        return metrics

    def compute_metrics(self, results: list[tuple[Tensor, Tensor]]) -> dict[str, float]:
        """Average precisions over the data set.

        Args:
            results (list[tuple[Tensor, Tensor]]): Scores (C,) and tags (C,) of each image.
        """
        if not results:
            raise ValueError('TagMetric got no image')
        scores, tags = (torch.stack(column) for column in zip(*results))
        precision = AveragePrecision.calculate(scores, tags, None)
        metrics = {'mAP': float(precision.mean())}
        present = tags.gt(0).any(0)
        if not present.all() and present.any():
            metrics['mAP_present'] = float(precision[present].mean())
        chosen, right = scores > 0.5, (scores > 0.5) & (tags > 0)
        total = chosen.sum(1) + tags.gt(0).sum(1)
        metrics['F1_per_image'] = float(200 * (right.sum(1) / total.clamp(min=1)).mean())
        tagged = tags.gt(0).any(1)
        if tagged.any():
            metrics['mAP_per_image'] = float(
                AveragePrecision.calculate(scores[tagged].T, tags[tagged].T)
            )
        return metrics
