"""CoSA as its equations read: maps and segmentation of all classes at full size, explicit
attention, scikit-learn on raw samples.

For comparison only.
"""

import numpy as np
import torch
import torch.nn.functional as F

from mmwsss.functional.pseudo_labels import labels_two_pass


def features(backbone, images):
    """Normalised patch map and raw map of the auxiliary layer, with the weights of our backbone."""
    x = backbone.patch_embed.projection(images)
    size = x.shape[-2:]
    token, grid = backbone.pos_embed[:, :1], backbone.pos_embed[:, 1:]
    side = int(grid.shape[1] ** 0.5)
    grid = F.interpolate(
        grid.transpose(1, 2).unflatten(2, (side, side)),
        size=size,
        mode='bicubic',
        align_corners=False,
    )
    x = torch.cat([backbone.cls_token.expand(len(x), -1, -1), x.flatten(2).transpose(1, 2)], 1)
    x = x + torch.cat([token, grid.flatten(2).transpose(1, 2)], 1)
    for index, layer in enumerate(backbone.layers):
        q, k, v = (
            layer.attn.qkv(layer.ln1(x))
            .unflatten(2, (3, layer.attn.num_heads, -1))
            .permute(2, 0, 3, 1, 4)
        )
        attention = (q @ k.transpose(-2, -1) * q.shape[-1] ** -0.5).softmax(-1)
        x = x + layer.attn.proj((attention @ v).transpose(1, 2).flatten(2))
        (expand, activation, _), contract, _ = layer.ffn.layers
        x = x + contract(activation(expand(layer.ln2(x))))
        if index == backbone.aux_layer:
            aux = x
    return tuple(
        tokens[:, 1:].transpose(1, 2).unflatten(2, size) for tokens in (backbone.ln1(x), aux)
    )


def losses(model, weak, strong, tags, boxes):
    """Losses of the released profile without energy, for a model that is out of warm-up."""
    size = weak.shape[-2:]
    with torch.no_grad():
        cams = aux = seg = 0
        for scale in model.pseudo_label['scales']:
            x = F.interpolate(
                weak,
                size=[int(scale * side) for side in size],
                mode='bilinear',
                align_corners=False,
            )
            main, earlier = features(model.assignment.backbone, torch.cat([x, x.flip(-1)]))
            maps = [
                F.conv2d(main, model.assignment.classifier.weight),
                F.conv2d(earlier, model.assignment.aux_classifier.weight),
                model.assignment.decode_head([main]),
            ]
            maps = [
                F.interpolate(values, size=size, mode='bilinear', align_corners=False)
                for values in maps
            ]
            straight, mirrored = zip(
                *((values[: len(x)], values[len(x) :].flip(-1)) for values in maps)
            )
            cams = cams + torch.maximum(straight[0], mirrored[0]).relu()
            aux = torch.maximum(straight[1], mirrored[1]).relu()
            seg = seg + straight[2] + mirrored[2]
        cams, aux = (maps - maps.amin((2, 3), True) for maps in (cams, aux))
        cams, aux = (maps / (maps.amax((2, 3), True) + 1e-5) for maps in (cams, aux))
        valid = tags[:, :, None, None]
        thresholds = model.pseudo_label
        labels = [
            labels_two_pass(
                None,
                maps * valid,
                tags,
                high=thresholds[name + 'high'],
                low=thresholds[name + 'low'],
                boxes=boxes,
            )
            for name, maps in (('', cams), ('aux_', aux))
        ]
        absent = torch.cat([torch.ones_like(valid[:, :1]), valid], 1) == 0
        probs = (seg.masked_fill(absent, -1e5) / model.pseudo_label['temperature']).softmax(1)
        grid = [side // model.backbone.patch_size for side in size]
        target = F.interpolate(probs[:, 1:], size=grid, mode='bilinear', align_corners=False)
    main, earlier = features(model.backbone, strong)
    logits = [
        classifier(F.adaptive_max_pool2d(maps, 1)).flatten(1)
        for classifier, maps in ((model.classifier, main), (model.aux_classifier, earlier))
    ]
    result = [F.multilabel_soft_margin_loss(values, tags) for values in logits]
    seg = F.interpolate(model.decode_head([main]), size=size, mode='bilinear', align_corners=False)
    c2s = 0
    for label in labels:
        background, foreground = (
            F.cross_entropy(seg, torch.where(chosen, label, 255), ignore_index=255, reduction='sum')
            / (chosen.sum() + 1e-6)
            for chosen in (label == 0, (label > 0) & (label < 255))
        )
        c2s = c2s + 0.5 * (0.5 * background + 0.5 * foreground)
    guided = F.conv2d(main, model.classifier.weight).relu()
    s2c = F.binary_cross_entropy_with_logits(guided, target)
    return torch.stack([*result, model.loss_weights['seg'] * c2s, model.loss_weights['cam'] * s2c])


def released_thresholds(queue):
    """Low and high of three Gaussians fitted by scikit-learn to the values of a queue."""
    from sklearn.mixture import GaussianMixture

    values = queue.flatten().double().numpy()
    values = values[values > 0.05]
    start = np.array([values.min(), np.median(values), values.max()])[:, None]
    mixture = GaussianMixture(
        3,
        means_init=start,
        weights_init=np.full(3, 1 / 3),
        precisions_init=np.ones((3, 1, 1)),
        tol=1e-3,
        max_iter=100,
        reg_covar=1e-6,
    )
    labels = mixture.fit(values[:, None]).predict(values[:, None])
    return torch.tensor([values[labels == 0].max(), values[labels == 2].min()])
