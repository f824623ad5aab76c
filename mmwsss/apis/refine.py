"""From a CAM file and its image to a pseudo mask, by any of the refinement methods."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mmwsss.functional.crf import background_alpha
from mmwsss.functional.pseudo_labels import labels_eq16, labels_two_pass
from mmwsss.functional.thresholds import labels_at_threshold
from mmwsss.models.refiners import PAR, DenseCRF
from mmwsss.utils.io import read_cam_and_image, write_mask
from mmwsss.utils.names import output_path


@dataclass
class MaskMaker:
    """Writes ``<out>/<id>.png`` for a job ``(id, CAM file, image file)``; can be sent to worker
    processes.

    Attributes:
        out (Path): Folder of the masks.
        method (str): ``'threshold'``; ``'crf'``: dense CRF on [background, maps]; ``'par'``:
            pixel-adaptive refinement and two thresholds, uncertain pixels 255; ``'psa'``,
            ``'irn'``: random walk of a trained affinity network.
        background (float | tuple): Constant score of the background, or ``('alpha', a)`` for ``(1 -
            max_k cam_k)^a``.
        unsure (float): Pixels whose label depends on whether the background score is this much
            lower or higher become 255; for ``'threshold'`` and ``'crf'`` with a constant
            background.
        crf (dict): Arguments of :class:`DenseCRF`.
        par_rule (str): ``'two_pass'`` (AFA, ToCo, MCC) or ``'eq16'`` (AReAM).
        high, low (float): Thresholds of ``'par'``.
        num_classes (int | None): C, to check class ids against.
        model (AffinityNet | IRNet | None): Network of ``'psa'`` and ``'irn'``, in evaluation mode,
            with a data preprocessor.
        walk (dict): Options of the network's ``propagate``.
        then_crf (bool): Dense CRF on the scores of ``'psa'`` and ``'irn'``, made to sum to 1 at
            each pixel.
        raw_pixels (bool): Ignore the EXIF orientation of images, as the maps of VOC and COCO do.
    """

    out: Path
    method: str
    background: Any = 0.4
    unsure: float = 0.0
    crf: dict[str, Any] = field(default_factory=lambda: dict(preset='psa'))
    par_rule: str = 'two_pass'
    high: float = 0.7
    low: float = 0.25
    num_classes: int | None = None
    model: Any = None
    walk: dict[str, Any] = field(default_factory=dict)
    then_crf: bool = False
    raw_pixels: bool = False

    def __call__(self, job: tuple[str, Path, Path]) -> str:
        """Compute the mask of one image.

        Args:
            job (tuple): Image id, CAM file, image file.

        Returns:
            str: Image id.

        Raises:
            ValueError: Damaged file, size of the maps other than the image's, class id out of
                range. The message names the file.
        """
        img_id, cam_path, image_path = job
        cams, keys, image = read_cam_and_image(
            cam_path, image_path, self.num_classes, raw=self.raw_pixels
        )
        mask = self.labels(image, torch.from_numpy(cams), torch.from_numpy(keys))
        write_mask(output_path(self.out, img_id, '.png'), mask.numpy().astype(np.uint8))
        return img_id

    def labels(self, image: np.ndarray, cams: Tensor, keys: Tensor) -> Tensor:
        """Label map (H,W) of an image (H,W,3) BGR with the maps (K,H,W) of the classes ``keys``
        (K,).
        """
        if not len(keys):
            return torch.zeros(cams.shape[-2:], dtype=torch.long)
        if self.method == 'par':
            return self._par_labels(image, cams, keys)
        if self.method == 'threshold' and not isinstance(self.background, tuple):
            maps = [
                labels_at_threshold(cams, keys.tolist(), background)
                for background in self._backgrounds()
            ]
        else:
            maps = [
                torch.cat([keys.new_zeros(1), keys + 1])[scores.argmax(0)]
                for scores in self._refined_scores(image, cams)
            ]
        low, high = maps[0], maps[-1]
        return low if len(maps) == 1 else torch.where(low == high, low, 255)

    def _refined_scores(self, image: np.ndarray, cams: Tensor) -> list[Tensor]:
        """[background, maps] after refinement, one (K+1,H,W) for each background score."""
        if self.method in ('psa', 'irn'):
            stacks = [self._walk_scores(image, cams)]
            if self.then_crf:
                stacks = [scores / scores.sum(0).clamp_min(1e-5) for scores in stacks]
        else:
            stacks = [self._scores(cams, background) for background in self._backgrounds()]
        if self.method == 'crf' or self.then_crf:
            # one lattice for all
            stacks = DenseCRF(**self.crf).refine_many(
                np.ascontiguousarray(image[..., ::-1]), stacks
            )
        return stacks

    def _backgrounds(self) -> tuple[Any, ...]:
        if not self.unsure:
            return (self.background,)
        return max(self.background - self.unsure, 0.0), self.background + self.unsure

    @staticmethod
    def _scores(cams: Tensor, background: float | tuple[str, float]) -> Tensor:
        """[background, maps]"""
        if isinstance(background, tuple):
            return background_alpha(cams, background[1])
        return torch.cat([torch.full_like(cams[:1], background), cams])

    def _par_labels(self, image: np.ndarray, cams: Tensor, keys: Tensor) -> Tensor:
        tensor = torch.from_numpy(np.ascontiguousarray(image[..., ::-1].transpose(2, 0, 1)))[
            None
        ].float()
        tags = torch.ones(1, len(keys))
        if self.par_rule == 'eq16':
            label = labels_eq16(PAR()(tensor, cams[None]), tags, self.low, self.high)
        else:
            label = labels_two_pass(tensor, cams[None], tags, self.high, self.low, par=PAR())
        # positions among the present classes -> class labels; 255 stays
        table = torch.full((256,), 255)
        table[0], table[1 : len(keys) + 1] = 0, keys + 1
        return table[label[0]]

    def _walk_scores(self, image: np.ndarray, cams: Tensor) -> Tensor:
        tensor = torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))
        batch = self.model.data_preprocessor(dict(inputs=[tensor]), False)['inputs']
        return self.model.propagate(
            batch[0], cams.to(batch.device), background=self.background, **self.walk
        ).cpu()
