"""ToCo: class-token contrast with local crops (CVPR 2023), a baseline closely related to MCC."""

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from mmwsss.functional.crops import sample_uncertain_crops, take_crops
from mmwsss.models.algorithms.single_stage import MultiScaleMaps
from mmwsss.registry import MODELS

from .token_contrast import TokenContrast


@MODELS.register_module()
class ToCo(TokenContrast):
    """:class:`TokenContrast` whose local tokens come from small crops of the third view, around
    pixels that are not confidently foreground.

    A crop is negative if its mean region of interest (0 background, 1 uncertain, 2 object, by the
    CAMs at full size) is at most ``min_object``. Its tokens get the whole position embedding,
    resized to its grid.

    Args:
        num_crops (int): Number of crops of an image.
        crop_size (int): Side of a crop in pixels.
        options: All other options are those of :class:`TokenContrast` and :class:`SingleStage`.
    """

    def __init__(
        self,
        backbone: dict[str, Any],
        num_classes: int,
        *,
        num_crops: int = 8,
        crop_size: int = 96,
        **options: Any,
    ) -> None:
        super().__init__(backbone, num_classes, **options)
        self.num_crops, self.crop_size = num_crops, crop_size

    def local_tokens(
        self, local: Tensor, grid: Sequence[int], maps: MultiScaleMaps, tags: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Class tokens (M,B,D) of the crops, and whether they are positive (B,M)."""
        roi = self.roi(local.shape[-2:], maps, tags)
        corners = sample_uncertain_crops(roi, self.num_crops, self.crop_size)
        flags = take_crops(roi, corners, self.crop_size).mean((2, 3)) > self.min_object
        crops = take_crops(local, corners, self.crop_size)
        tokens = self.features(crops.flatten(0, 1)).class_tokens[:, 0].unflatten(0, crops.shape[:2])
        return tokens.transpose(0, 1), flags
