"""Loss on the attention between patches (AReAM)."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from mmwsss.functional.attention import DeferredAttention
from mmwsss.functional.reactivation import affinity_terms, pair_counts
from mmwsss.registry import MODELS


@MODELS.register_module()
class AttentionAffinityLoss(nn.Module):
    """Loss that makes patches with the same label attend to each other and patches with different
    labels do not (AReAM Eq. 18-19).

    Per layer and image ``mean_{positive} (1 - sigmoid) + mean_{negative} sigmoid`` of the logits,
    summed over the layers with their weights and averaged over the batch; a mean over no pairs is
    0. Only one layer's (B,N,N) sigmoid is held at a time, also in the backward pass.

    Args:
        style (str): ``'paper'``; or ``'afa'`` as in version 1 and AFA, where pairs are counted over
            the whole batch, plus one.
        layer_reduction (str): ``'sum'`` (Eq. 19), or ``'mean'`` (version 1).
        balance (float, optional): Factor of both terms; default 1 for ``'paper'``, 1/2 for
            ``'afa'``.
    """

    def __init__(
        self, style: str = 'paper', layer_reduction: str = 'sum', balance: float | None = None
    ) -> None:
        super().__init__()
        if style not in ('paper', 'afa'):
            raise ValueError(f"style must be 'paper' or 'afa', got {style!r}")
        if layer_reduction not in ('sum', 'mean'):
            raise ValueError(f"layer_reduction must be 'sum' or 'mean', got {layer_reduction!r}")
        self.style = style
        self.layer_reduction = layer_reduction
        default = 1.0 if style == 'paper' else 0.5
        self.balance = default if balance is None else balance

    def forward(
        self,
        logits: Tensor | Sequence[DeferredAttention],
        labels: Tensor,
        layer_weights: Tensor,
        names: Tensor | None = None,
    ) -> Tensor:
        """Scalar loss.

        Args:
            logits (Tensor | Sequence[DeferredAttention]): (B,L,N,N), head means; or L layers that
                compute their logits on demand, so that no logits are kept between the passes.
            labels (Tensor): (B,h,w) integers, 255 ignored.
            layer_weights (Tensor): (B,L), no gradient.
            names (Tensor, optional): See :func:`pair_counts`.
        """
        layers: Sequence[Tensor | DeferredAttention]
        layers = logits.unbind(1) if isinstance(logits, Tensor) else tuple(logits)
        dtype = (layers[0] if isinstance(layers[0], Tensor) else layers[0].query).dtype
        pairs = pair_counts(labels, torch.promote_types(dtype, torch.float32), names)

        def terms(layer: DeferredAttention | Tensor) -> Tensor:
            matrix = layer if isinstance(layer, Tensor) else layer.logits()
            return torch.stack(affinity_terms(matrix, pairs), 1)

        # (B,L,2) sums over positive and over negative pairs
        sums = torch.stack(
            [
                checkpoint(terms, layer, use_reentrant=False, preserve_rng_state=False)
                for layer in layers
            ],
            1,
        )
        counts = torch.stack([pairs.positive, pairs.negative], 1)[:, None]
        if self.style == 'paper':
            per_layer = (sums / counts.clamp(min=1)).sum(2)
        else:
            # the mean over the batch is the pooled loss
            per_layer = len(labels) * (sums / (counts.sum(0) + 1)).sum(2)
        per_image = (layer_weights.to(per_layer) * per_layer).sum(1)
        if self.layer_reduction == 'mean':
            per_image = per_image / len(layers)
        return self.balance * per_image.mean()
