"""Evaluation of files: masks, and CAM files at all thresholds, each file read once against once per
class or threshold.
"""

import os
import tempfile
from pathlib import Path

import torch
from torch.nn import functional as F

from mmwsss.functional.confusion import class_areas, confusion_matrix, resolve_ignored
from mmwsss.functional.thresholds import (
    OFFICIAL_THRESHOLDS,
    areas_from_counts,
    make_thresholds,
    sweep_counts,
)
from mmwsss.utils.io import read_cam, read_mask, write_cam, write_mask

from ..textbook import evaluation as textbook
from . import Case

NUM_CLASSES, DIFFERENT = 21, 24  # images that differ; the others are links to them


def seg_eval(device, quick):
    """1,464 masks of 375 x 500 pixels against as many predictions, from files: correct, predicted
    and labelled pixels of each class.

    On the CPU, whatever the device.
    """
    folder = tempfile.TemporaryDirectory()
    pairs = _mask_files(Path(folder.name), *((6, (30, 40)) if quick else (1464, (375, 500))))

    def ours(folder=folder):  # which lives as long as one of the sides
        counts = sum(
            confusion_matrix(*(torch.from_numpy(read_mask(path)) for path in pair), NUM_CLASSES)
            for pair in pairs
        )
        return torch.stack(class_areas(resolve_ignored(counts)))

    return Case(ours, lambda folder=folder: textbook.mask_areas(pairs, NUM_CLASSES))


def sweep200(device, quick):
    """60 thresholds over 200 CAM files of 375 x 500 pixels with two classes of 20: pixels of each
    class at each threshold.

    On the CPU, whatever the device. Not part of the default suite: one pass per threshold takes
    minutes.
    """
    num_images, size = (4, (30, 40)) if quick else (200, (375, 500))
    thresholds, folder = make_thresholds(OFFICIAL_THRESHOLDS), tempfile.TemporaryDirectory()
    pairs = [
        (cam, target)
        for cam, (_, target) in zip(
            _cam_files(Path(folder.name), num_images, size),
            _mask_files(Path(folder.name), num_images, size),
        )
    ]

    def ours(folder=folder):
        counts = 0
        for path, target in pairs:
            file = read_cam(path)
            counts = counts + sweep_counts(
                torch.from_numpy(file.cam),
                file.keys.tolist(),
                torch.from_numpy(read_mask(target)),
                thresholds,
                NUM_CLASSES,
            )
        return torch.stack(areas_from_counts(counts))

    return Case(
        ours, lambda folder=folder: textbook.cam_areas(pairs, thresholds.tolist(), NUM_CLASSES)
    )


def _mask_files(folder, number, size):
    """Pairs of a prediction and a mask with two classes of 20 and a border to ignore; about nine of
    ten pixels agree.
    """
    pairs = []
    for index in range(number):
        pair = folder / f'{index}_prediction.png', folder / f'{index}.png'
        if index < DIFFERENT:
            keys = index % 19 + 1
            target = torch.tensor([0, keys, keys + 1, 0])[_regions(4, size)]
            prediction = torch.where(
                _regions(10, size) == 0, torch.tensor([0, keys])[_regions(2, size)], target
            )
            target[_regions(12, size) == 0] = 255
            write_mask(pair[0], prediction.numpy())
            write_mask(pair[1], target.numpy())
        else:
            for path in pair:
                os.link(folder / f'{index % DIFFERENT}{path.name.removeprefix(str(index))}', path)
        pairs.append(pair)
    return pairs


def _cam_files(folder, number, size):
    """CAM files of two classes."""
    paths = [folder / f'{index}.npz' for index in range(number)]
    for index, path in enumerate(paths):
        if index < DIFFERENT:
            cam = F.interpolate(
                torch.rand(1, 2, 12, 16), size=size, mode='bilinear', align_corners=False
            )[0]
            write_cam(path, (index % 19, index % 19 + 1), cam.numpy())
        else:
            os.link(paths[index % DIFFERENT], path)
    return paths


def _regions(number, size):
    """(H,W) map of blobs with values 0..number-1."""
    return F.interpolate(
        torch.randn(1, number, 12, 16), size=size, mode='bilinear', align_corners=False
    )[0].argmax(0)
