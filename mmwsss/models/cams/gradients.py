"""Derivatives of class scores with respect to attention, layer by layer from the last."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from mmwsss.models.algorithms.acr import ACRClassifier
from mmwsss.models.algorithms.mctformer import MCTformer
from mmwsss.models.algorithms.mctformer_plus import MCTformerPlus
from mmwsss.models.backbones.token_vit import TokenFeatures, TokenViT


def attention_gradients(
    model: ACRClassifier | MCTformer | MCTformerPlus,
    features: TokenFeatures,
    keys: Sequence[int],
    num_layers: int | None = None,
    *,
    class_rows: bool = True,
) -> Iterator[tuple[int, int, Tensor, Tensor]]:
    """Yield the attention of a layer and the derivative of each class score with respect to it, the
    last layer first.

    The attention of each layer is a free variable; gradients are propagated through everything that
    depends on it later. Neither the layers below nor the weights are differentiated: only the input
    of every layer was kept, and the attention of a layer is recomputed when it is needed. One pass
    covers all images of the batch, since images do not interact: the score of a class is summed
    over them.

    After the last layer the scores read class tokens only, and no derivatives are propagated below
    the first differentiated layer. Where only class rows are requested, both layers therefore
    compute class rows only, which reduces the usual two layers to a vector-matrix product per head.

    Args:
        model (TagClassifier): Classifier whose ``class_logits`` are the scores (logits, not
            probabilities).
        features (TokenFeatures): Features with the inputs of the last ``num_layers`` layers.
        keys (list[int]): K class ids.
        num_layers (int, optional): Number of last layers; None for all.
        class_rows (bool): Return only the class tokens' rows of the attention.

    Yields:
        tuple: layer; position in ``keys``; attention (B,H,R,T+N); its derivative, of the same
            shape. R is T, or T+N below the last layer without ``class_rows``; in the last layer
            the derivatives of other rows are 0.
    """
    backbone = model.backbone
    inputs = features.layer_inputs if num_layers is None else features.layer_inputs[-num_layers:]
    num_class_tokens, last = backbone.num_class_tokens, backbone.num_layers - 1
    first, grid = backbone.num_layers - len(inputs), features.patch_map.shape[-2:]
    upstream: list[Any] = [None] * len(keys)
    rows = slice(num_class_tokens if class_rows else None)
    for layer in reversed(range(first, backbone.num_layers)):
        with differentiable(inputs[layer - first]) as x:
            x.requires_grad_()
            # Scores read class tokens only, and nothing below the first layer is differentiated: in
            # both layers the class rows are sufficient.
            narrow = layer == last or (class_rows and layer == first)
            tokens, weights = backbone.explain_layer(layer, x, grid=grid, class_rows=narrow)
            scores: Any = class_scores(model, tokens) if layer == last else None
        wanted = (weights,) if layer == first else (weights, x)
        for position, key in enumerate(keys):
            with differentiable():
                # the chain rule, one layer at a time: the derivative of the score with respect to
                # the output of this layer is what the layer above returned for its input
                target, seed = (
                    (scores[:, key].sum(), None)
                    if layer == last
                    else (tokens, upstream[position][:, : tokens.shape[1]])
                )
                gradients = torch.autograd.grad(
                    target, wanted, seed, retain_graph=position < len(keys) - 1
                )
            upstream[position] = None if layer == first else gradients[1]
            yield layer, position, weights.detach()[:, :, rows], gradients[0][:, :, rows]


@contextmanager
def differentiable(x: Tensor | None = None) -> Iterator[Any]:
    """Enable gradients, also under ``no_grad`` and inference mode, and yield a copy of ``x`` that
    can be differentiated, float32 or better.
    """
    with torch.inference_mode(False), torch.enable_grad():
        yield (
            None
            if x is None
            else x.detach().to(torch.promote_types(x.dtype, torch.float32), copy=True)
        )


def channel_maps(
    backbone: TokenViT, features: TokenFeatures, scores_of: Callable[[Tensor], Tensor]
) -> Tensor:
    """Grad-CAM whose feature maps are the input channels of the attention of the last layer, after
    its first norm. The weight of a channel is the mean of its gradient over the patches: the patch
    tokens after the last layer have no gradient.

    Args:
        backbone (TokenViT): Backbone whose last layer is recomputed.
        features (TokenFeatures): Features with the input of the last layer.
        scores_of (Callable): Function from tokens (B,T+N,D) after the last layer to scores (B,K).

    Returns:
        Tensor: (B,K,N) >= 0.
    """
    last, patches = backbone.num_layers - 1, backbone.patch_rows
    maps: list[Tensor] = []
    with differentiable(features.layer_inputs[-1]) as x:
        normed = backbone.first_norm(last, x).detach().requires_grad_()
        tokens, _ = backbone.explain_layer(
            last, x, grid=features.patch_map.shape[-2:], class_rows=True, normed=normed
        )
        scores = scores_of(tokens).unbind(1)
        for score in scores:
            (gradient,) = torch.autograd.grad(
                score.sum(), normed, retain_graph=len(maps) < len(scores) - 1
            )
            channel_weights = gradient[:, patches].mean(1, keepdim=True)
            maps.append((channel_weights * normed.detach()[:, patches]).sum(-1).relu())
    return torch.stack(maps, 1)


def class_scores(model: Any, tokens: Tensor) -> Tensor:
    """Logits (B,C) of tokens (B,>=T,D) after the last layer, not yet normalised."""
    tokens = tokens[:, : model.backbone.num_class_tokens]
    return model.class_logits(model.backbone.ln1(tokens) if model.backbone.final_norm else tokens)
