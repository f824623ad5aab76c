"""Test loop with a dense CRF on the scores of a segmentation network."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
import torch
from mmengine.evaluator import Evaluator
from mmengine.runner import Runner
from mmengine.structures import PixelData
from torch import Tensor
from torch.utils.data import DataLoader

from mmwsss.models.refiners import DenseCRF
from mmwsss.registry import LOOPS
from mmwsss.utils.io import read_rgb
from mmwsss.utils.pool import available_cores, bounded_map

from .prediction_loop import PredictionLoop

Job = tuple[str, list[np.ndarray]]  # image file, score maps (K,H,W)


@LOOPS.register_module()
class CRFTestLoop(PredictionLoop):
    """A test loop whose predictions pass through a dense CRF before they are evaluated.

    The network runs in this process and the CRF in worker processes behind a bounded queue; score
    maps are never stored. The CRF reads the original image and the softmax of ``seg_logits`` with
    all channels.

    Args:
        runner, dataloader, evaluator: As in :class:`mmengine.runner.TestLoop`.
        crf (dict): Arguments of :class:`DenseCRF`, e.g. ``dict(preset='mct_test')``.
        use_image_tags (bool): Also refine the softmax over background and the classes that the
            image's ground-truth tags name, as CoSA does; the labels become
            ``pred_sem_seg_image_tags``, which :class:`SegMetric` reports as its second number.
        workers (int, optional): Processes; default one per core, 0 runs the CRF inline.
    """

    def __init__(
        self,
        runner: Runner,
        dataloader: DataLoader | dict[str, Any],
        evaluator: Evaluator | dict[str, Any] | list[Any],
        *,
        crf: dict[str, Any],
        use_image_tags: bool = False,
        workers: int | None = None,
    ) -> None:
        super().__init__(runner, dataloader, evaluator)
        self.crf = dict(crf)
        self.use_image_tags = use_image_tags
        DenseCRF(**self.crf)  # an invalid preset fails before the first image
        self.workers = available_cores() if workers is None else workers

    def predictions(self) -> Iterator[tuple[Any, list[Any]]]:
        """See :meth:`PredictionLoop.predictions`."""
        waiting: list[tuple[Any, Any]] = []
        results = bounded_map(
            partial(
                apply_crf,
                crf=self.crf,
                raw=getattr(self.dataloader.dataset, 'raw_pixels', False),
            ),
            self._jobs(waiting),
            self.workers,
            name=lambda job: job[0],
        )
        for labels in results:
            data, sample = waiting.pop(0)
            sample.pred_sem_seg.data = torch.from_numpy(labels[0])[None]
            if self.use_image_tags:
                sample.set_data(
                    dict(pred_sem_seg_image_tags=PixelData(data=torch.from_numpy(labels[1])[None]))
                )
            yield data, [sample]

    def _jobs(self, waiting: list[tuple[Any, Any]]) -> Iterator[Job]:
        """(image file, list of probabilities) of every image; its sample is kept in ``waiting``
        until the CRF has finished.
        """
        for index, data in enumerate(self.dataloader):
            self.runner.call_hook('before_test_iter', batch_idx=index, data_batch=data)
            for sample in self.runner.model.test_step(data):
                logits = sample.seg_logits.data
                scores = (
                    [logits, keep_tagged(logits, sample.gt_tags)]
                    if self.use_image_tags
                    else [logits]
                )
                waiting.append((data, sample))
                yield sample.img_path, [score.softmax(0).cpu().numpy() for score in scores]


def apply_crf(job: Job, crf: dict[str, Any], raw: bool = False) -> list[np.ndarray]:
    """Labels, each (H,W) int64, of a job ``(image file, list of probabilities (K,H,W))``; the maps
    of an image share its kernels. ``raw``: without EXIF orientation.
    """
    path, maps = job
    image = read_rgb(path, raw=raw)
    return [refined.argmax(0) for refined in DenseCRF(**crf).refine_many(image, maps)]


def keep_tagged(logits: Tensor, tags: Tensor) -> Tensor:
    """Logits (C+1,H,W) with -1e5 for the classes that are absent from the multi-hot ``tags``
    (C,).
    """
    absent = torch.cat((tags.new_ones(1), tags)) == 0
    return logits.masked_fill(absent.to(logits.device)[:, None, None], -1e5)
