"""Sweeps in their plain form: every image is labelled and counted anew at every threshold or
setting. For comparison only.
"""

import torch


def sweep_areas(images, thresholds, num_classes):
    """Correct, predicted and labelled pixels (3,n,K) int64 of every class at n thresholds.

    ``images`` are triples of CAMs (K,H,W), their 0-based class ids and labels (H,W), 255 ignored;
    ``num_classes`` includes background.
    """
    areas = torch.zeros(3, len(thresholds), num_classes, dtype=torch.int64)
    for index, threshold in enumerate(thresholds):
        for cams, keys, target in images:
            scores = cams.new_zeros(num_classes, *target.shape)
            scores[0] = threshold
            for key, cam in zip(keys, cams):
                scores[key + 1] = cam
            prediction, valid = scores.argmax(0), target != 255
            for label in range(num_classes):
                predicted, labelled = (prediction == label) & valid, target == label
                areas[0, index, label] += (predicted & labelled).sum().cpu()
                areas[1, index, label] += predicted.sum().cpu()
                areas[2, index, label] += labelled.sum().cpu()
    return areas


def walk_areas(network, images, keys, setting, num_classes):
    """Correct, predicted and labelled pixels (3,K) int64 under one setting of a walk of PSA.

    ``images`` are triples of an image (H,W,3) uint8 RGB, CAMs (C,H,W) and labels (H,W); ``keys``
    the 0-based class ids of the CAMs; ``setting`` has background, beta and log2_steps.
    """
    areas = torch.zeros(3, num_classes, dtype=torch.int64)
    names = torch.tensor([0, *(key + 1 for key in keys)])
    options = {name: setting[name] for name in ('background', 'beta', 'log2_steps')}
    for image, cams, target in images:
        bgr = torch.from_numpy(image).permute(2, 0, 1).flip(0)
        inputs = network.data_preprocessor(dict(inputs=[bgr]), False)['inputs'][0]
        scores = network.propagate(inputs, cams, **options)
        prediction, valid = names[scores.argmax(0).cpu()], target != 255
        for label in range(num_classes):
            predicted, labelled = (prediction == label) & valid, target == label
            areas[0, label] += (predicted & labelled).sum()
            areas[1, label] += predicted.sum()
            areas[2, label] += labelled.sum()
    return areas
