"""Testing with a dense CRF on the scores of a segmentation network."""
import os
from functools import partial

import numpy as np
import torch
from mmengine.runner import TestLoop

from mmwsss.models.refiners import DenseCRF
from mmwsss.registry import LOOPS
from mmwsss.utils.io import read_image
from mmwsss.utils.pool import bounded_map


@LOOPS.register_module()
class CRFTestLoop(TestLoop):
    """A test loop whose predictions pass through a dense CRF before they are judged.

    The network runs here, the CRF in worker processes behind a bounded queue; no score map is ever stored. The CRF sees the original
    image and the softmax of ``seg_logits``, of which all channels are kept.

    Args:
        runner, dataloader, evaluator: As in :class:`mmengine.runner.TestLoop`.
        crf (dict): Arguments of :class:`DenseCRF`, e.g. ``dict(preset='mct_test')``.
        workers (int, optional): Processes; default one per core, 0 runs the CRF inline.
    """

    def __init__(self, runner, dataloader, evaluator, *, crf, workers=None):
        super().__init__(runner, dataloader, evaluator)
        self.crf = dict(crf)
        DenseCRF(**self.crf)  # a wrong preset fails before the first image
        self.workers = os.cpu_count() if workers is None else workers

    def run(self):
        """Test the whole data set.

        Returns:
            dict: Metrics.
        """
        self.runner.call_hook('before_test')
        self.runner.call_hook('before_test_epoch')
        self.runner.model.eval()
        samples = []
        results = bounded_map(partial(apply_crf, crf=self.crf), self._jobs(samples), self.workers, name=lambda job: job[0])
        for index, labels in enumerate(results):
            data, sample = samples.pop(0)
            sample.pred_sem_seg.data = torch.from_numpy(labels)[None]
            self.evaluator.process(data_samples=[sample], data_batch=data)
            self.runner.call_hook('after_test_iter', batch_idx=index, data_batch=data, outputs=[sample])
        metrics = self.evaluator.evaluate(len(self.dataloader.dataset))
        self.runner.call_hook('after_test_epoch', metrics=metrics)
        self.runner.call_hook('after_test')
        return metrics

    def _jobs(self, samples):
        """(image file, probabilities) of every image; its sample waits in ``samples`` until the CRF is done."""
        for index, data in enumerate(self.dataloader):
            self.runner.call_hook('before_test_iter', batch_idx=index, data_batch=data)
            with torch.no_grad():
                outputs = self.runner.model.test_step(data)
            for sample in outputs:
                probs = sample.seg_logits.data.softmax(0).cpu().numpy()
                samples.append((data, sample))
                yield sample.img_path, probs


def apply_crf(job, crf):
    """Labels (H,W) int64 of a job ``(image file, probabilities (K,H,W))``."""
    path, probs = job
    image = np.ascontiguousarray(read_image(path)[..., ::-1])
    return DenseCRF(**crf)(image, probs).argmax(0)
