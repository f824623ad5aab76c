"""Evaluation of files in its plain form, with NumPy: every class is compared with every image, at
every threshold. For comparison only.
"""

import numpy as np
import torch
from PIL import Image


def mask_areas(pairs, num_classes):
    """Correct, predicted and labelled pixels (3,K) int64; pairs of files (prediction, mask), 255
    ignored in the mask.
    """
    areas = np.zeros((3, num_classes), np.int64)
    for prediction, target in pairs:
        _count(np.array(Image.open(prediction)), np.array(Image.open(target)), areas)
    return torch.from_numpy(areas)


def cam_areas(pairs, thresholds, num_classes):
    """The same (3,n,K) of pairs (CAM file, mask) at n background thresholds; every file is read
    anew for each.
    """
    areas = np.zeros((3, len(thresholds), num_classes), np.int64)
    for index, threshold in enumerate(thresholds):
        for path, target in pairs:
            with np.load(path, allow_pickle=False) as data:
                scores = np.zeros((num_classes, *data['size']), np.float32)
                scores[0] = threshold
                for key, cam in zip(data['keys'], data['cam']):
                    scores[key + 1] = cam
            _count(scores.argmax(0).astype(np.uint8), np.array(Image.open(target)), areas[:, index])
    return torch.from_numpy(areas)


def _count(prediction, target, areas):
    valid = target < 255
    correct = (prediction == target) * valid
    for label in range(areas.shape[-1]):
        areas[0, label] += np.sum((target == label) * correct)
        areas[1, label] += np.sum((prediction == label) * valid)
        areas[2, label] += np.sum((target == label) * valid)
