"""Threshold sweep of CAMs in its plain form: every image is labelled and counted anew at every
threshold. For comparison only.
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
