"""GETAM: element-wise products of attention and its gradient."""

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor

from mmwsss.models.backbones.token_vit import TokenFeatures
from mmwsss.registry import MODELS

from .base import CAMMethod, token_rows
from .gradients import attention_gradients

FORMS = ('cam_grad', 'grad_s', 'cam_grad_s')


@MODELS.register_module()
class GETAM(CAMMethod):
    """Forms of gradient times attention, summed over the last layers (arXiv 2112.02841, as options
    of the released ACR code).

    With the class token's row of attention A and gradient G: ``'cam_grad'`` ``mean_h relu(G A)``,
    ``'grad_s'`` ``(mean_h relu G)^2``, ``'cam_grad_s'`` ``mean_h relu(G A) * mean_h relu G``.

    Args:
        form (str): One of these.
        grad_layers (int): Number of last layers.
        affinity, affinity_layers: See :class:`CAMMethod`.
    """

    variants: ClassVar[dict[str, dict[str, Any]]] = {form: dict(form=form) for form in FORMS}

    def __init__(
        self,
        form: str = 'cam_grad_s',
        grad_layers: int = 2,
        *,
        affinity: str = 'Am',
        affinity_layers: int | None = None,
    ) -> None:
        super().__init__(affinity=affinity, affinity_layers=affinity_layers)
        if form not in FORMS:
            raise ValueError(f'form must be one of {FORMS}, got {form!r}')
        if grad_layers < 1:
            raise ValueError(f'grad_layers must be at least 1, got {grad_layers}')
        self.form = form
        self.layer_inputs = grad_layers

    def maps(self, model: Any, features: TokenFeatures, keys: Sequence[int]) -> Tensor:
        """(B,K,N) >= 0."""
        patches, rows = model.backbone.patch_rows, token_rows(model, keys)
        sums: list[Any] = [0] * len(keys)
        for _, position, weights, gradient in attention_gradients(
            model, features, keys, self.layer_inputs
        ):
            weights, gradient = (
                tensor[:, :, rows[position], patches] for tensor in (weights, gradient)
            )
            product, positive = (weights * gradient).relu().mean(1), gradient.relu().mean(1)
            forms = dict(cam_grad=product, grad_s=positive**2, cam_grad_s=product * positive)
            sums[position] = sums[position] + forms[self.form]
        return torch.stack(sums, 1)
