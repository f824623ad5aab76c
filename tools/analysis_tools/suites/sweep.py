"""Threshold sweep of CAMs: one histogram per image against one pass per threshold."""
import torch
from torch.nn import functional as F

from mmwsss.evaluation import CAMMetric

from . import Case

NUM_CLASSES = 21


def sweep(device, quick):
    """60 thresholds over 40 images of 500 x 375 pixels with two present classes of 20: IoU of every class at every threshold."""
    num_images, size = (3, (40, 50)) if quick else (40, (375, 500))
    thresholds = [step / 100 for step in range(60)]
    generator = torch.Generator().manual_seed(0)
    images = []
    for index in range(num_images):
        coarse = torch.rand(1, 2, 12, 16, generator=generator)
        cams = F.interpolate(coarse, size=size, mode='bilinear')[0].to(device)
        gt = F.interpolate(torch.randint(0, 3, (1, 1, 6, 8), generator=generator).float(), size=size)[0].long().to(device)
        keys = (index % 19, index % 19 + 1)
        images.append((cams, keys, torch.tensor([0, keys[0] + 1, keys[1] + 1], device=device)[gt]))

    def ours():
        metric = CAMMetric(thresholds)
        metric.dataset_meta = dict(classes=[str(index) for index in range(NUM_CLASSES)])
        metric.process(None, [dict(pred_cams=dict(data=cams), cam_keys=keys, gt_sem_seg=dict(data=gt)) for cams, keys, gt in images])
        metric.summarize(len(images))
        return torch.tensor([metric.curve['IoU'][str(index)] for index in range(NUM_CLASSES)]).T

    def textbook():
        rows = []
        for threshold in thresholds:
            counts = torch.zeros(3, NUM_CLASSES, dtype=torch.int64)
            for cams, keys, gt in images:
                scores = torch.zeros(NUM_CLASSES, *size, device=device)
                scores[0] = threshold
                for key, cam in zip(keys, cams):
                    scores[key + 1] = cam
                prediction, target = scores.argmax(0), gt[0]
                for index in range(NUM_CLASSES):
                    predicted, true = prediction == index, target == index
                    counts[:, index] += torch.stack([predicted.sum(), true.sum(), (predicted & true).sum()]).cpu()
            predicted, true, hit = counts.double()
            rows.append(100 * hit / (predicted + true - hit + 1e-10))
        return torch.stack(rows)

    return Case(ours, textbook)
