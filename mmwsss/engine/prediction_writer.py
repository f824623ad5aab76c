"""Writers of predictions: the files that the next stage reads."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from mmengine.dist import barrier, is_main_process
from mmengine.model import BaseModel
from rich.progress import track
from torch.utils.data import DataLoader

from mmwsss.functional.thresholds import labels_at_threshold
from mmwsss.structures import WSSSDataSample
from mmwsss.utils.io import write_cam, write_mask
from mmwsss.utils.memory import memory_errors_named
from mmwsss.utils.names import output_path
from mmwsss.utils.output_folder import is_finished


class PredictionWriter:
    """Writes one file per image, atomically; images whose file exists can be left out of a rerun.

    Args:
        out_dir (str | Path): Folder of the files.
        kind (str): ``'cams'``: ``<id>.npz`` from ``pred_cams``; ``'masks'``: palette PNG, from
            ``pred_sem_seg`` where there is one, else the CAMs cut at ``threshold``.
        threshold (float): Background threshold of masks from CAMs, in [0,1].
        half (bool): CAM files in float16 instead of float32.
    """

    def __init__(
        self, out_dir: str | Path, *, kind: str = 'cams', threshold: float = 0.4, half: bool = False
    ) -> None:
        if kind not in ('cams', 'masks'):
            raise ValueError(f"kind must be 'cams' or 'masks', got {kind!r}")
        self.out_dir = Path(out_dir)
        self.kind = kind
        self.threshold = threshold
        self.half = half

    def path(self, img_id: str) -> Path:
        """File of an image."""
        return output_path(self.out_dir, img_id, '.npz' if self.kind == 'cams' else '.png')

    def pending(self, img_ids: Sequence[str]) -> list[int]:
        """Indices of the images that have no complete file yet."""
        return [index for index, img_id in enumerate(img_ids) if not is_finished(self.path(img_id))]

    def write(self, sample: WSSSDataSample) -> None:
        """Write the file of a predicted :class:`WSSSDataSample` (or mmseg data sample)."""
        path = self.path(sample.metainfo.get('img_id') or Path(sample.img_path).stem)
        if self.kind == 'masks' and 'pred_sem_seg' in sample:
            write_mask(path, sample.pred_sem_seg.data[0].cpu().numpy())
            return
        cams = sample.pred_cams.data.cpu()
        if self.kind == 'masks':
            labels = labels_at_threshold(cams, sample.cam_keys, self.threshold)
            write_mask(path, labels.numpy())
        else:
            write_cam(
                path,
                sample.cam_keys,
                cams.numpy().astype(np.float16 if self.half else np.float32),
                cams.shape[-2:],
            )


def write_predictions(
    model: BaseModel,
    dataloader: DataLoader,
    writer: PredictionWriter,
    *,
    description: str = 'writing',
) -> None:
    """Predict every image of ``dataloader`` and write it; all ranks return when all are done.

    Args:
        model (BaseModel): In evaluation mode during the loop, then as before.
        dataloader (DataLoader): Unpadded (``round_up=False``), so that no image is predicted twice.
        writer (PredictionWriter): Writer of the files.
    """
    training = model.training
    model.eval()
    with torch.no_grad():
        for data in track(dataloader, description=description, disable=not is_main_process()):
            with memory_errors_named(_photo(data), 'make photos smaller with --max-side 1024'):
                samples = model.test_step(data)
            for sample in samples:
                writer.write(sample)
    model.train(training)
    barrier()


def _photo(data: dict) -> str:
    """Files of a batch, for messages."""
    samples = data.get('data_samples', ())
    return ', '.join(str(sample.metainfo.get('img_path', 'an image')) for sample in samples)
