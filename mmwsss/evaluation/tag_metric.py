"""Quality of tag predictions."""
import torch
from mmengine.evaluator import BaseMetric
from mmpretrain.evaluation import AveragePrecision

from mmwsss.registry import METRICS

from .counter_metric import sample_field


@METRICS.register_module()
class TagMetric(BaseMetric):
    """Mean average precision of multi-label classification.

    Samples carry ``pred_scores`` (C,) and ``gt_tags`` (C,). Results in percent: ``mAP``, mean over classes of the average precision
    (a class without a tagged image counts 0); ``mAP_present``, over classes that some image has, where it differs; and
    ``mAP_per_image``, mean over tagged images of the average precision of the image's class ranking, which MCTformer's training log
    calls mAP (mctformer_plus spec 3).

    Args:
        collect_device (str): ``'cpu'`` or ``'gpu'``, how processes exchange scores.
        collect_dir (str, optional): Shared folder for ``'cpu'``.
        prefix (str, optional): Default ``'tags'``.
    """
    default_prefix = 'tags'

    def __init__(self, *, collect_device='cpu', collect_dir=None, prefix=None):
        super().__init__(collect_device=collect_device, collect_dir=collect_dir, prefix=prefix)

    def process(self, data_batch, data_samples):
        """Keep scores and tags of a batch.

        Args:
            data_batch: Not used.
            data_samples (Sequence[dict]): Samples as dictionaries.
        """
        for sample in data_samples:
            scores = sample_field(sample, 'pred_scores', 'TagMetric needs a model that predicts tags').detach().float().cpu()
            tags = sample_field(sample, 'gt_tags', 'TagMetric needs a data set with image tags').detach().float().cpu()
            if scores.shape != tags.shape:
                raise ValueError(f'{sample.get("img_path")}: {tuple(scores.shape)} scores for {tuple(tags.shape)} tags')
            self.results.append((scores, tags))

    def compute_metrics(self, results):
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
        tagged = tags.gt(0).any(1)
        if tagged.any():
            metrics['mAP_per_image'] = float(AveragePrecision.calculate(scores[tagged].T, tags[tagged].T))
        return metrics
