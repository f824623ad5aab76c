"""Multi-scale testing of segmentation networks with the fusion rules of the papers."""

from typing import Any

from mmengine.model import BaseTTAModel
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample
from torch import Tensor, nn

from mmwsss.functional.fusion import ScoreFusion
from mmwsss.registry import MODELS


@MODELS.register_module()
class FusionTTAModel(BaseTTAModel):
    """Fuses the scores of scales and flips, all at original size.

    ``seg_logits`` of the result are scores whose softmax is suitable for the dense CRF: fused
    logits, or logarithms of fused probabilities (up to a factor per pixel, which leaves the mean
    field unchanged).

    Args:
        module (dict | nn.Module): Segmentation network.
        rule (str): See :class:`mmwsss.functional.fusion.ScoreFusion`.
    """

    def __init__(
        self,
        module: dict[str, Any] | nn.Module,
        rule: str = 'max_softmax',
        data_preprocessor: Any = None,
    ) -> None:
        super().__init__(module, data_preprocessor)
        ScoreFusion(rule)  # reports an unknown rule at construction
        self.rule = rule

    def merge_preds(self, data_samples_list: list[list[SegDataSample]]) -> list[SegDataSample]:
        """One sample per image.

        Args:
            data_samples_list (list[list[SegDataSample]]): Per image, the samples of its views, with
                ``seg_logits`` (K,H,W).

        Returns:
            list[SegDataSample]
        """
        return [self._fuse(views) for views in data_samples_list]

    def _fuse(self, views: list[SegDataSample]) -> SegDataSample:
        scales: dict[
            tuple[int, ...], list[Tensor]
        ] = {}  # the views of one scale differ only in their flip
        for view in views:
            scales.setdefault(tuple(view.metainfo.get('img_shape', ())), []).append(
                view.seg_logits.data
            )
        fusion = ScoreFusion(self.rule)
        for flips in scales.values():
            fusion.add(flips)
        fused = fusion.result()
        sample = views[0].new()
        if 'gt_sem_seg' in views[0]:
            sample.gt_sem_seg = views[0].gt_sem_seg
        sample.set_metainfo(views[0].metainfo)
        sample.seg_logits = PixelData(data=fused)
        sample.pred_sem_seg = PixelData(data=fused.argmax(0, keepdim=True))
        return sample
