"""Writers of predictions: the files that the next stage reads."""

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from threading import BoundedSemaphore

import numpy as np
import torch
from mmengine.dataset import BaseDataset
from mmengine.dist import barrier, is_main_process
from mmengine.model import BaseModel
from rich.progress import track
from torch.utils.data import DataLoader

from mmwsss.engine.size_buckets import BatchPredictor
from mmwsss.functional.thresholds import labels_at_threshold
from mmwsss.structures import WSSSDataSample
from mmwsss.utils.image_io import open_image, shown_size
from mmwsss.utils.io import write_cam, write_mask
from mmwsss.utils.names import output_path
from mmwsss.utils.output_folder import is_finished


class PredictionWriter:
    """Writes one file per image, atomically; images whose file exists can be skipped in a rerun.

    Args:
        out_dir (str | Path): Folder of the files.
        kind (str): ``'cams'``: ``<id>.npz`` from ``pred_cams``; ``'masks'``: palette PNG, from
            ``pred_sem_seg`` if it exists, otherwise from the CAMs thresholded at ``threshold``.
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


class ThreadedWriter:
    """Writes predictions in threads while the network computes the next ones.

    Predictions are copied from the device asynchronously; at most ``waiting`` images are in memory
    before :meth:`write` blocks. Leaving the context waits for all files, also after an error, and
    re-raises the exceptions of the threads.

    Args:
        writer (PredictionWriter): Writer of the files.
        threads (int): Number of threads; files are compressed and written outside Python's global
            lock.
        waiting (int): Largest number of queued images.
    """

    def __init__(self, writer: PredictionWriter, *, threads: int = 4, waiting: int = 64) -> None:
        self.writer = writer
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix='writer')
        self._room = BoundedSemaphore(waiting)
        self._failed: list[BaseException] = []

    def __enter__(self) -> 'ThreadedWriter':
        return self

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        self._pool.shutdown(wait=True)
        if kind is None:
            self._raise()

    def write(self, samples: Sequence[WSSSDataSample]) -> None:
        """Queue predicted samples."""
        self._raise()
        for sample, arrived in _on_host(samples):
            self._room.acquire()
            self._pool.submit(self._write, sample, arrived).add_done_callback(self._finish)

    def _write(self, sample: WSSSDataSample, arrived: torch.cuda.Event | None) -> None:
        if arrived is not None:
            arrived.synchronize()
        self.writer.write(sample)

    def _finish(self, job: Future) -> None:
        self._room.release()
        error = job.exception()
        if error is not None:
            self._failed.append(error)

    def _raise(self) -> None:
        if self._failed:
            raise self._failed[0]


def _on_host(
    samples: Sequence[WSSSDataSample],
) -> list[tuple[WSSSDataSample, torch.cuda.Event | None]]:
    """Samples whose fields are being copied to the host, and an event that marks the end of the
    copy.
    """
    moved, arrived = [], None
    for sample in samples:
        for field in ('pred_cams', 'pred_sem_seg'):
            data = sample.get(field)
            if data is None or data.data.device.type != 'cuda':
                continue
            host = torch.empty_like(data.data, device='cpu', pin_memory=True)
            host.copy_(data.data, non_blocking=True)
            data.data = host
            arrived = arrived or torch.cuda.Event()
        moved.append(sample)
    if arrived is not None:
        arrived.record()
    return [(sample, arrived) for sample in moved]


def write_predictions(
    model: BaseModel,
    dataloader: DataLoader,
    writer: PredictionWriter,
    *,
    description: str = 'writing',
    batch_size: int | None = 1,
) -> None:
    """Predict every image of ``dataloader`` and write it; all ranks return when all are done.

    Loading (worker processes of the loader), computing and writing (threads) overlap.

    Args:
        model (BaseModel): Model, which is set to evaluation mode during the loop.
        dataloader (DataLoader): Unpadded (``round_up=False``), so that no image is predicted twice;
            it returns one image at a time, from which batches are formed.
        writer (PredictionWriter): Writer of the files.
        description (str): Text of the progress bar.
        batch_size (int, optional): Number of images of the same size that are predicted together;
            None: see :class:`BatchPredictor`.
    """
    training = model.training
    model.eval()
    predictor = BatchPredictor(model, batch_size)
    images = track(dataloader, description=description, disable=not is_main_process())
    with torch.no_grad(), ThreadedWriter(writer) as files:
        for _, samples in predictor.predict(images):
            files.write(samples)
    model.train(training)
    barrier()


def largest_first(dataset: BaseDataset, indices: Sequence[int]) -> list[int]:
    """Indices of images in descending order of their size, which is read from the headers of their
    files.

    Ranks that process every n-th of them get equal shares of each size, images of the same size are
    consecutive, and the images that need the most memory come first. Unreadable files come last.

    Args:
        dataset (BaseDataset): Data set of images.
        indices (Sequence[int]): Positions in the data set.
    """

    def size(index: int) -> tuple[int, int, int]:
        try:
            with open_image(dataset.get_data_info(index)['img_path']) as image:
                height, width = shown_size(image)
        except (OSError, ValueError):
            return 0, 0, 0
        return -height * width, height, width

    return sorted(indices, key=size)
