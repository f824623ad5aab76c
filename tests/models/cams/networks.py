"""Tiny classifiers, and their maps by one full backward pass per image and class through explicit
attention.
"""

import torch
from torch.nn import functional as F

import mmwsss.models  # noqa: F401  registers the components
from mmwsss.functional.attention import AttentionRequest
from mmwsss.registry import MODELS

C = 4
ARCH = dict(embed_dims=24, num_layers=4, num_heads=3, feedforward_channels=48)


def network(kind='ACRClassifier', *, cam=None, backbone=None, **options):
    """A classifier with attention peaked enough for its maps to have contrast."""
    test_cfg = options.pop('test_cfg', {})
    if cam is not None:
        test_cfg = dict(test_cfg, cam=cam)
    model = MODELS.build(
        dict(
            dict(
                type=f'mmwsss.{kind}',
                num_classes=C,
                test_cfg=test_cfg,
                backbone=dict(
                    dict(type='mmwsss.TokenViT', arch=ARCH, img_size=48, patch_size=16),
                    **(backbone or {}),
                ),
            ),
            **options,
        )
    )
    model.backbone.init_weights()
    for layer in model.backbone.layers:
        torch.nn.init.normal_(layer.attn.qkv.weight, std=0.4)
        torch.nn.init.normal_(layer.ffn.layers[1].weight, std=0.2)
    return model.eval()


def plain_pass(model, image):
    """Logits (1,C) with gradient, per-layer attention (1,H,S,S) and first norm that remember
    theirs, patch tokens of the last layer.
    """
    backbone = model.backbone
    x, _ = backbone._embed(image)
    attention, norms = [], []
    for layer in backbone.layers:
        normed = layer.ln1(x)
        normed.retain_grad()
        qkv = (
            layer.attn.qkv(normed)
            .reshape(1, x.shape[1], 3, layer.attn.num_heads, -1)
            .permute(2, 0, 3, 1, 4)
        )
        weights = (qkv[0] @ qkv[1].transpose(-2, -1) * qkv.shape[-1] ** -0.5).softmax(-1)
        weights.retain_grad()
        attention.append(weights)
        norms.append(normed)
        x = x + layer.attn.proj((weights @ qkv[2]).transpose(1, 2).reshape(x.shape))
        hidden = layer.ffn.layers[0][0](layer.ln2(x))
        x = x + layer.ffn.layers[1](F.gelu(hidden))
    x = backbone.ln1(x) if backbone.final_norm else x
    tokens = backbone.num_class_tokens
    return model.class_logits(x[:, :tokens]), attention, norms, x[0, tokens:]


def naive(model, images, keys, form, *, grad_layers=2, refine=None):
    """Maps (B,K,N) of every CAM method, image by image and class by class."""
    maps = []
    tokens = model.backbone.num_class_tokens
    for image in images:
        for key in keys:
            row = key if tokens > 1 else 0
            model.zero_grad()
            logits, attention, norms, patches = plain_pass(model, image[None])
            logits[0, key].backward()
            A = [weights.detach()[0] for weights in attention]
            G = [weights.grad[0] for weights in attention]
            last = range(len(A) - grad_layers, len(A))
            score = 0
            if form in ('cam', 'ts_cam', 'ts_cam_relu'):
                grid = tuple(side // 16 for side in image.shape[1:])
                score = (
                    model.patch_logits(patches.T.unflatten(1, grid)[None])[0, key]
                    .flatten()
                    .detach()
                )
            if form == 'acr':
                result = sum(G[layer][:, row, tokens:].clamp(min=0).mean(0) for layer in last)
            elif form == 'final':
                result = sum(G[layer][:, row, tokens:].mean(0) for layer in last).clamp(min=0)
            elif form == 'class_attention':
                result = sum(A[layer][:, row, tokens:].mean(0) for layer in last) / grad_layers
            elif form == 'cam':
                result = score.clamp(min=0)
            elif form.startswith('ts_cam'):
                result = sum(weights[:, row, tokens:].mean(0) for weights in A) * (
                    score.clamp(min=0) if 'relu' in form else score
                )
            elif form == 'grad_cam':
                result = (
                    (G[-1][:, row, tokens:].mean(-1, keepdim=True) * A[-1][:, row, tokens:])
                    .mean(0)
                    .clamp(min=0)
                )
            elif form == 'token':
                channel = norms[-1].grad[0, tokens:].mean(0)
                result = (norms[-1].detach()[0, tokens:] @ channel).clamp(min=0)
            elif form == 'generic':
                relevance = torch.eye(A[0].shape[-1])
                for weights, gradient in zip(A, G):
                    relevance = relevance + (gradient * weights).clamp(min=0).mean(0) @ relevance
                result = relevance[row, tokens:]
            else:
                result = 0
                for layer in last:
                    a, g = A[layer][:, row, tokens:], G[layer][:, row, tokens:]
                    product, positive = (a * g).clamp(min=0).mean(0), g.clamp(min=0).mean(0)
                    result = (
                        result
                        + dict(cam_grad=product, grad_s=positive**2, cam_grad_s=product * positive)[
                            form
                        ]
                    )
            if refine is not None:
                affinity = sum(weights.mean(0)[tokens:, tokens:] for weights in A)
                result = affinity @ result if refine == 'Am' else result @ affinity
            maps.append(result)
    return torch.stack(maps).unflatten(0, (len(images), len(keys))).detach()


def attention_of(model, images, part='all', **options):
    """Attention of all layers, heads kept."""
    request = AttentionRequest(part, heads='all', reduce='stack', **options)
    with torch.no_grad():
        return model.backbone(images, attention={'all': request}).attention['all']
