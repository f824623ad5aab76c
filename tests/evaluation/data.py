"""Random predictions for metric tests."""

import numpy as np
import torch
from mmengine.structures import PixelData

from mmwsss.structures import WSSSDataSample

CLASSES = ('background', 'bird', 'boat', 'bus', 'car', 'cat', 'cow')
META = {'classes': CLASSES, 'split': 'val'}


def random_sample(index, *, num_classes=7, predicted=None):
    """A sample of an odd size with everything that the metrics read; index 0 has no tags.

    Args:
        index (int): Seed.
        num_classes (int): With background; the last class never occurs.
        predicted (int, optional): A label that replaces a tenth of the predictions.
    """
    rng = np.random.default_rng(index)
    size = (int(rng.integers(5, 12)), int(rng.integers(5, 12)))
    keys = sorted(rng.permutation(num_classes - 2)[: index % 4].tolist())
    gt = rng.choice([0, *(key + 1 for key in keys)], size)
    gt[rng.random(size) < 0.1] = 255
    tags = np.zeros(num_classes - 1, np.float32)
    tags[keys] = 1
    logits = torch.from_numpy(rng.standard_normal((num_classes, *size), dtype=np.float32))
    pred = logits.argmax(0)
    if predicted is not None:
        pred[torch.from_numpy(rng.random(size) < 0.1)] = predicted
    sample = WSSSDataSample(
        metainfo={'img_id': f'image{index}', 'img_path': f'images/image{index}.jpg'}
    )
    sample.gt_sem_seg = PixelData(data=torch.from_numpy(gt)[None])
    sample.pred_sem_seg = PixelData(data=pred[None])
    sample.seg_logits = PixelData(data=logits)
    sample.set_gt_tags(tags).set_pred_scores(
        torch.from_numpy(rng.random(num_classes - 1, dtype=np.float32))
    )
    cams = torch.from_numpy(
        (np.floor(rng.random((len(keys), *size)) * 12) * 5 / 100).astype(np.float32)
    )
    return sample.set_pred_cams(keys, cams)


def evaluate(metric, samples, size=None, meta=META):
    """Results of a metric over samples, in batches of two."""
    metric.dataset_meta = meta
    for start in range(0, len(samples), 2):
        metric.process(None, [sample.to_dict() for sample in samples[start : start + 2]])
    return metric.evaluate(len(samples) if size is None else size)
