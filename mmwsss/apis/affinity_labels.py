"""Training labels of affinity networks from CAM files and their images."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mmwsss.functional.affinity import ir_labels
from mmwsss.functional.crf import background_alpha
from mmwsss.functional.pseudo_labels import to_class_ids
from mmwsss.models.refiners import DenseCRF
from mmwsss.utils.affinity_io import write_crf_maps
from mmwsss.utils.io import read_cam_and_image, swap_channels, write_mask
from mmwsss.utils.names import output_path

SUFFIXES = dict(psa='.npz', irn='.png')


@dataclass
class AffinityLabelMaker:
    """Writes ``<out>/<id>.npz`` (PSA) or ``<out>/<id>.png`` (IRN) for a job ``(id, CAM file, image
    file)``; can be sent to worker processes.

    PSA: dense CRF probabilities of [background, present classes] under a strong and under a weak
    background. They are not converted to labels yet, because the labels depend on the crop. IRN: a
    label map of class ids, 255 where the hard-label CRFs of a high and of a low threshold disagree.
    Both CRFs of an image share one lattice.

    Attributes:
        out (Path): Folder of the files.
        method (str): ``'psa'`` or ``'irn'``.
        low_alpha, high_alpha (float): psa: exponents of the background score ``(1 - max_k
            cam_k)^alpha``; the lower makes the stronger background.
        foreground, background (float): irn: background scores; a trusted class exceeds the first
            one, and no class exceeds the second one where the background is trusted.
        crf (dict): Arguments of :class:`DenseCRF`.
        num_classes (int | None): C, for the check of class ids.
        raw_pixels (bool): Ignore the EXIF orientation of images, as the maps of VOC and COCO do.
        reading (Mapping): Further options of :func:`mmwsss.utils.io.read_image`.

    Raises:
        ValueError: The method is unknown, or the settings are not in ascending order.
    """

    out: Path
    method: str
    low_alpha: float = 1
    high_alpha: float = 12
    foreground: float = 0.30
    background: float = 0.05
    crf: dict = field(default_factory=lambda: dict(preset='psa'))
    num_classes: int | None = None
    raw_pixels: bool = False
    reading: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.method not in SUFFIXES:
            raise ValueError(f'method must be psa or irn, got {self.method!r}')
        if not 0 < self.low_alpha < self.high_alpha:
            raise ValueError(
                f'0 < low alpha < high alpha is expected, got {self.low_alpha} and '
                f'{self.high_alpha}'
            )
        if not 0 <= self.background < self.foreground <= 1:
            raise ValueError(
                f'0 <= background < foreground <= 1 is expected, got {self.background} and '
                f'{self.foreground}'
            )

    @property
    def suffix(self) -> str:
        """File name suffix of the files that are written."""
        return SUFFIXES[self.method]

    def __call__(self, job: tuple[str, Path, Path]) -> str:
        """Compute the file of one image.

        Args:
            job (tuple): Image id, CAM file, image file.

        Returns:
            str: Image id.

        Raises:
            ValueError: A file is damaged, the maps differ in size from the image, or a class id is
                out of range. The message names the file.
        """
        img_id, cam_path, image_path = job
        maps, keys, image = read_cam_and_image(
            cam_path, image_path, self.num_classes, raw=self.raw_pixels, **self.reading
        )
        cams = torch.from_numpy(maps)
        if self.method == 'psa':
            la, ha = self.crf_maps(image, cams)
            write_crf_maps(output_path(self.out, img_id, '.npz'), keys, la.numpy(), ha.numpy())
        else:
            label = self.ir_label(image, cams, torch.from_numpy(keys))
            write_mask(output_path(self.out, img_id, '.png'), label.numpy().astype(np.uint8))
        return img_id

    def crf_maps(self, image: np.ndarray, cams: Tensor) -> list[Tensor]:
        """CRF probabilities (K+1,H,W) under the low and under the high exponent, for an image
        (H,W,3) BGR and maps (K,H,W).
        """
        scores = [background_alpha(cams, alpha) for alpha in (self.low_alpha, self.high_alpha)]
        return DenseCRF(**self.crf).refine_many(swap_channels(image), scores)

    def ir_label(self, image: np.ndarray, cams: Tensor, keys: Tensor) -> Tensor:
        """Label map (H,W): 0 background, class id + 1, 255 uncertain, for an image (H,W,3) BGR and
        the maps (K,H,W) of ``keys`` (K,).
        """
        crf = DenseCRF(**self.crf)
        hard = [
            torch.cat([torch.full_like(cams[:1], score), cams]).argmax(0)
            if len(cams)
            else cams.new_zeros(cams.shape[-2:])
            for score in (self.foreground, self.background)
        ]
        fg, bg = crf.refine_many(
            swap_channels(image), [crf.from_labels(label, len(keys) + 1) for label in hard]
        )
        return ir_labels(*(to_class_ids(scores.argmax(0), keys) for scores in (fg, bg)))
