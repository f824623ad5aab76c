"""Training visualisations of single-stage networks."""

from types import SimpleNamespace
from typing import Any

import numpy as np
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner

from mmwsss.models.algorithms.mcc import MCC
from mmwsss.registry import HOOKS
from mmwsss.visualization import draw_cam_grid


@HOOKS.register_module()
class TrainingPictureHook(Hook):
    """Draws the first image of the batch at regular intervals: image, CAM and auxiliary CAM of each
    class, pseudo label and prediction.

    The data come from the method ``inspect`` of the model. The picture is sent to every
    visualisation backend of the config under the name ``training``.

    Args:
        interval (int): Iterations between pictures.
        cell (int): Side of one picture in pixels.

    Raises:
        ValueError: The interval is below 1.
    """

    priority = 'LOW'

    def __init__(self, interval: int = 500, *, cell: int = 224) -> None:
        if interval < 1:
            raise ValueError(f'interval must be at least 1, got {interval}')
        self.interval = interval
        self.cell = cell

    def after_train_iter(
        self,
        runner: Runner | SimpleNamespace,
        batch_idx: int,
        data_batch: Any = None,
        outputs: Any = None,
    ) -> None:
        """Draw the batch of the current step with the weights after the step."""
        if not self.every_n_train_iters(runner, self.interval) or runner.rank != 0:
            return
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        data = model.data_preprocessor(data_batch, True)
        runner.visualizer.add_image(
            'training',
            self.draw(model, data, runner.train_loop.dataloader.dataset.metainfo),
            step=runner.iter + 1,
        )

    def draw(
        self, model: MCC | SimpleNamespace, data: dict[str, Any], metainfo: dict[str, Any]
    ) -> np.ndarray:
        """Picture (H,W,3) uint8 RGB of the first image of a preprocessed batch.

        Args:
            model (SingleStage): Model that provides maps and labels.
            data (dict): ``inputs`` and ``data_samples``.
            metainfo (dict): ``classes``, background first, and optionally ``palette``.
        """
        seen = {
            key: value.cpu().numpy()
            for key, value in model.inspect(data['inputs'], data['data_samples']).items()
        }
        names = [metainfo['classes'][index + 1] for index in seen['classes']]
        cams = [(f'CAM: {name}', cam) for name, cam in zip(names, seen['cam'])]
        cams += [(f'aux CAM: {name}', cam) for name, cam in zip(names, seen['aux_cam'])]
        sample = data['data_samples'][0]
        return draw_cam_grid(
            [
                dict(
                    id=sample.metainfo.get('img_id', 'image'),
                    image=seen['image'].transpose(1, 2, 0),
                    cams=cams,
                    mask=seen['pseudo_label'],
                    seg=seen['prediction'],
                )
            ],
            cell=self.cell,
        )
