"""Multi-scale testing of segmentation networks with the fusion rules of the papers."""
import torch
from mmengine.model import BaseTTAModel
from mmengine.structures import PixelData

from mmwsss.registry import MODELS

RULES = ('max_softmax', 'mean_softmax', 'sum_logits', 'max_of_flip_sums', 'sum_of_flip_maxima')


@MODELS.register_module()
class FusionTTAModel(BaseTTAModel):
    """Fuses the scores of scales and flips, all at original size (pipeline specification 5.4).

    ``seg_logits`` of the result are scores whose softmax the dense CRF may take: fused logits, or logarithms of fused
    probabilities (a factor per pixel, which a mean field does not feel).

    Args:
        module (dict | nn.Module): Segmentation network.
        rule (str): ``'max_softmax'``: largest softmax over scales and flips (MCTformer); ``'mean_softmax'``; ``'sum_logits'``
            (SSC); ``'max_of_flip_sums'``: logits of both flips summed, largest over scales (ToCo and MCC on VOC);
            ``'sum_of_flip_maxima'``: the reverse (ToCo and MCC on COCO).
    """

    def __init__(self, module, rule='max_softmax', data_preprocessor=None):
        super().__init__(module, data_preprocessor)
        if rule not in RULES:
            raise ValueError(f'rule must be one of {RULES}, got {rule!r}')
        self.rule = rule

    def merge_preds(self, data_samples_list):
        """One sample per image.

        Args:
            data_samples_list (list[list[SegDataSample]]): Per image, the samples of its views, with ``seg_logits`` (K,H,W).

        Returns:
            list[SegDataSample]
        """
        return [self._fuse(views) for views in data_samples_list]

    def _fuse(self, views):
        logits = [view.seg_logits.data for view in views]
        if self.rule.endswith('softmax'):
            probs = [view.softmax(0) for view in logits]
            fused = torch.stack(probs).amax(0) if self.rule == 'max_softmax' else sum(probs) / len(probs)
            fused = fused.clamp_min(1e-12).log()
        elif self.rule == 'sum_logits':
            fused = sum(logits)
        else:
            scales = {}  # the views of one scale differ in their flip only
            for view, scores in zip(views, logits):
                scales.setdefault(tuple(view.metainfo.get('img_shape', ())), []).append(scores)
            if self.rule == 'max_of_flip_sums':
                fused = torch.stack([sum(flips) for flips in scales.values()]).amax(0)
            else:
                fused = sum(torch.stack(flips).amax(0) for flips in scales.values())
        sample = views[0].new()
        if 'gt_sem_seg' in views[0]:
            sample.gt_sem_seg = views[0].gt_sem_seg
        sample.set_metainfo(views[0].metainfo)
        sample.seg_logits = PixelData(data=fused)
        sample.pred_sem_seg = PixelData(data=fused.argmax(0, keepdim=True))
        return sample
