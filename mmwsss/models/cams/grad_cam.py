"""Grad-CAM on the last layer of a transformer."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from mmwsss.models.backbones.token_vit import TokenFeatures
from mmwsss.registry import MODELS

from .base import CAMMethod, token_rows
from .gradients import attention_gradients, channel_maps, class_scores


@MODELS.register_module()
class GradCAM(CAMMethod):
    """Grad-CAM (ICCV 2017) with the heads of the last class attention, or the channels of the last
    tokens, as feature maps.

    ``'attention'``: ``w_h = mean_j G_h[0,1+j]``, map ``relu(mean_h w_h A_h[0,1+j])`` (Chefer et
    al.). ``'token'``: feature maps are the inputs of the attention of the last layer, after its
    first norm; the weight of a channel is the mean of its gradient over the patches. The patch
    tokens after the last layer have no gradient.

    Args:
        features (str): ``'attention'`` or ``'token'``.
        affinity, affinity_layers: See :class:`CAMMethod`.
    """

    variants = {'grad_cam': {}, 'grad_cam_token': dict(features='token')}

    layer_inputs = 1

    def __init__(
        self,
        features: str = 'attention',
        *,
        affinity: str = 'Am',
        affinity_layers: int | None = None,
    ) -> None:
        super().__init__(affinity=affinity, affinity_layers=affinity_layers)
        if features not in ('attention', 'token'):
            raise ValueError(f"features must be 'attention' or 'token', got {features!r}")
        self.features = features

    def maps(self, model: Any, features: TokenFeatures, keys: Sequence[int]) -> Tensor:
        """(B,K,N) >= 0."""
        if self.features == 'token':
            return channel_maps(
                model.backbone, features, lambda tokens: class_scores(model, tokens)[:, list(keys)]
            )
        patches, rows = model.backbone.patch_rows, token_rows(model, keys)
        maps = []
        for _, position, weights, gradient in attention_gradients(model, features, keys, 1):
            head_weights = gradient[:, :, rows[position], patches].mean(-1, keepdim=True)
            maps.append((head_weights * weights[:, :, rows[position], patches]).mean(1).relu())
        return torch.stack(maps, 1)
