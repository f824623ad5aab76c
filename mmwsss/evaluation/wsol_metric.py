"""Localisation by class activation maps with the protocol of OpenImages-WSOL (Choe et al., CVPR
2020).
"""

from typing import Any

import torch
from torch import Tensor

from mmwsss.functional.wsol import score_map, wsol_counts, wsol_edges, wsol_scores
from mmwsss.registry import METRICS
from mmwsss.utils.tables import text_table

from .counter_metric import CounterMetric, ground_truth, sample_field


@METRICS.register_module()
class WSOLMetric(CounterMetric):
    """PxAP and pIoU of the map of the image's class, at every threshold of a fine grid, pooled over
    all pixels of the data set.

    Samples contain ``pred_cams`` (K,h,w) with ``cam_keys``, ``gt_tags`` (C,) with one class, and
    ``gt_sem_seg`` (1,H,W): 0 background, ``ignore_index`` left out, anything else object. The map
    is resized to the mask (224 x 224 in the protocol; bicubic), and scaled to [0,1] image by image;
    a constant or missing map is 0 everywhere.

    Results in percent: ``PxAP``, area under the curve of pixel precision and recall; ``pIoU``, IoU
    at the best threshold, one for all images; and that ``best_threshold``. :attr:`curve` has
    ``thresholds``, ``precision``, ``recall`` and ``IoU``.

    Args:
        interval (float): Distance between thresholds.
        ignore_index (int): Label that is left out.
        out_file (str, optional): JSON file for results, protocol and curve.
        protocol (str, optional): Name of the protocol that is followed.
        prefix (str, optional): Default ``'wsol'``.
    """

    default_prefix = 'wsol'

    def __init__(
        self,
        *,
        interval: float = 0.001,
        ignore_index: int = 255,
        out_file: str | None = None,
        protocol: str | None = None,
        prefix: str | None = None,
    ) -> None:
        super().__init__(
            ignore_index=ignore_index, out_file=out_file, protocol=protocol, prefix=prefix
        )
        self.interval = interval
        self._edges = wsol_edges(interval)

    def counter_shapes(self) -> dict[str, tuple[int, ...]]:
        """Histograms of object and background pixels."""
        return {'scores': (2, len(self._edges) - 1)}

    def count_image(self, sample: dict[str, Any]) -> dict[str, Tensor]:
        """Histograms of one image."""
        target = ground_truth(sample)
        cams = sample_field(
            sample, 'pred_cams', 'WSOLMetric needs a model that predicts class activation maps'
        )
        keys = sample_field(sample, 'cam_keys', 'pred_cams are set together with their class ids')
        hint = 'WSOLMetric evaluates the map of the class of the image'
        tags = sample_field(sample, 'gt_tags', hint).nonzero().flatten().tolist()
        if len(tags) != 1:
            raise ValueError(f'WSOLMetric expects images of one class, this image has {len(tags)}')
        places = [place for place, key in enumerate(keys) if int(key) == tags[0]]
        if places:
            scores = score_map(cams[places[0]], target.shape)
        else:
            scores = torch.zeros(target.shape, dtype=torch.float64)
        return {'scores': wsol_counts(scores, target, self._edges, self.ignore_index)}

    def compute_metrics(self, counters: dict[str, Tensor]) -> dict[str, Any]:
        """Scores over all images."""
        scores = wsol_scores(counters['scores'], self._edges)
        thresholds = self._edges[:-1].tolist()
        split = (self.dataset_meta or {}).get('split')
        self.protocol = dict(
            {} if split is None else {'split': split},
            interval=self.interval,
            threshold=scores.threshold,
            tags='ground truth',
            pooled='all pixels',
        )
        self.curve = {
            'thresholds': thresholds,
            'precision': (100 * scores.precision).tolist(),
            'recall': (100 * scores.recall).tolist(),
            'IoU': (100 * scores.iou).tolist(),
        }
        results = {
            'PxAP': 100 * scores.pxap,
            'pIoU': 100 * scores.piou,
            'best_threshold': scores.threshold,
        }
        self.table = text_table(
            ('PxAP %', 'pIoU %', 'at threshold'),
            [(*list(results.values())[:2], f'{scores.threshold:g}')],
            f'localisation, {len(thresholds)} thresholds pooled over all images, maps of the '
            f'ground-truth class',
        )
        return results
