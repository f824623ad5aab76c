"""MCC: masked collaborative contrast for single-stage segmentation from image tags (WACV 2024)."""

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from mmwsss.functional.masking import sample_key_masks, visible_object_flags
from mmwsss.models.algorithms.single_stage import MultiScaleMaps
from mmwsss.registry import MODELS
from mmwsss.utils.transfer import send

from .token_contrast import TokenContrast


@MODELS.register_module()
class MCC(TokenContrast):
    """:class:`TokenContrast` whose local tokens come from masked views.

    The third view has the geometry of the first and is hidden by random masks. A masked view is
    positive if its visible part shows tagged objects.

    Args:
        num_masks (int): Number of masked views of an image.
        mask_scale (int): Side in tokens of the cells that are hidden; the token grid must be a
            multiple of it.
        mask_ratio (float): Probability in [0,1] that a cell is hidden (0.75 in the paper, 0.95 in
            the released code and logs).
        token_dropping (bool): Leave hidden tokens out (default); False runs all tokens with a key
            mask, as a reference: the result is equal, but slower.
        options: Further options of :class:`TokenContrast` and :class:`SingleStage`.

    Raises:
        ValueError: The momentum is outside [0,1], training does not have three views, or the grid
            cannot be divided into cells.
    """

    def __init__(
        self,
        backbone: dict[str, Any],
        num_classes: int,
        *,
        num_masks: int = 8,
        mask_scale: int = 4,
        mask_ratio: float = 0.75,
        token_dropping: bool = True,
        **options: Any,
    ) -> None:
        super().__init__(backbone, num_classes, **options)
        self.num_masks, self.mask_scale, self.mask_ratio = num_masks, mask_scale, mask_ratio
        self.token_dropping = token_dropping

    def local_tokens(
        self, local: Tensor, grid: Sequence[int], maps: MultiScaleMaps, tags: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Class tokens (M,B,D) of the masked views, and whether they are positive (B,M)."""
        masks = sample_key_masks(
            len(local),
            self.num_masks,
            grid,
            scale=self.mask_scale,
            ratio=self.mask_ratio,
        )
        shown = send(masks, local.device)
        flags = visible_object_flags(self.roi(grid, maps, tags), shown, self.min_object)
        if self.token_dropping:
            tokens = self.backbone.encode_visible(local, masks)[:, :, 0]
        else:
            repeated = local.repeat_interleave(self.num_masks, 0)
            tokens = (
                self.backbone(repeated, key_mask=shown.flatten(0, 1).flatten(1))
                .class_tokens[:, 0]
                .view(*masks.shape[:2], -1)
            )
        return tokens.transpose(0, 1), flags
