"""MCC: masked collaborative contrast for single-stage segmentation from image tags (WACV 2024)."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from mmwsss.functional.masking import object_roi, sample_key_masks, visible_object_flags
from mmwsss.models.algorithms.single_stage import MultiScaleMaps
from mmwsss.models.backbones.token_vit import TokenFeatures
from mmwsss.models.modules import MovingAverage
from mmwsss.registry import MODELS
from mmwsss.utils.transfer import send

from .single_stage import SingleStage, cam_schedule


@MODELS.register_module()
class MCC(SingleStage):
    """:class:`SingleStage` and a contrast between class tokens of whole views and of masked ones.

    Three views: the image that is labelled, a second crop of its photo, and a local view, which has
    the geometry of the first and is seen through random masks. A masked view is positive if what it
    leaves visible shows tagged objects, by the CAMs of the first view. The projections of the two
    whole views by the averaged projector are the anchors; the backbone is shared.

    Args:
        projector (dict, optional): Options of :class:`Projector`.
        momentum (float): m of the averaged projector, ``teacher = m teacher + (1 - m) student``
            before each step.
        contrast_loss (dict, optional): Options of :class:`MaskedContrastLoss`.
        num_masks (int): Masked views of an image.
        mask_scale (int): Side in tokens of the cells that are hidden; the token grid must be a
            multiple of it.
        mask_ratio (float): Probability in [0,1] that a cell is hidden (0.75 in the paper, 0.95 in
            the released code and logs).
        min_object (float): See :func:`visible_object_flags`.
        flag_cam (str | list): Classifier whose maps define the positive views: ``'main'``,
            ``'aux'`` or a schedule, as in ``pseudo_label``.
        token_dropping (bool): Leave hidden tokens out (default); False runs all tokens with a key
            mask, for reference: equal and slow.
        options: All other options are those of :class:`SingleStage`.

    Raises:
        ValueError: A momentum outside [0,1]; training without three views; a grid that cannot be
            cut into cells.
    """

    default_loss_weights = dict(SingleStage.default_loss_weights, contrast=0.5)
    uses_cams = (*SingleStage.uses_cams, 'contrast')

    def __init__(
        self,
        backbone: dict[str, Any],
        num_classes: int,
        *,
        projector: dict[str, Any] | None = None,
        momentum: float = 0.9,
        contrast_loss: dict[str, Any] | None = None,
        num_masks: int = 8,
        mask_scale: int = 4,
        mask_ratio: float = 0.75,
        min_object: float = 0.2,
        flag_cam: str | Sequence[Any] = 'aux',
        token_dropping: bool = True,
        **options: Any,
    ) -> None:
        super().__init__(backbone, num_classes, **options)
        if not 0 <= momentum <= 1:
            raise ValueError(f'momentum must be between 0 and 1, got {momentum}')
        self.projector = MODELS.build(
            dict(type='mmwsss.Projector', in_channels=self.backbone.embed_dims)
            | dict(projector or {})
        )
        self.teacher = MovingAverage(self.projector, momentum=1 - momentum)
        self.contrast_loss = MODELS.build(
            dict(type='mmwsss.MaskedContrastLoss') | dict(contrast_loss or {})
        )
        self.num_masks, self.mask_scale, self.mask_ratio = num_masks, mask_scale, mask_ratio
        self.min_object = min_object
        self.flag_cam = cam_schedule('flag_cam', flag_cam)
        self.token_dropping = token_dropping

    def extra_losses(
        self, views: list[Tensor], features: TokenFeatures, maps: MultiScaleMaps, tags: Tensor
    ) -> dict[str, Tensor]:
        """``loss_contrast``: two whole views by student and teacher, M local ones by the
        student.
        """
        if not self.active('contrast'):
            return {}
        if len(views) != 3:
            raise ValueError(
                f'{type(self).__name__} needs three views (image, second crop, local view), got '
                f'{len(views)}: use '
                'mmwsss.MultiViews in the training pipeline, or loss_weights.contrast=0'
            )
        self.update_teacher()
        image, second, local = views
        # (2,B,D)
        whole = torch.stack([features.class_tokens[:, 0], self.features(second).class_tokens[:, 0]])
        tokens, flags = self.local_tokens(local, features.patch_map.shape[-2:], maps, tags)
        with torch.no_grad():
            anchors = self.teacher(whole.detach())
        student = self.projector(torch.cat([whole, tokens]))
        positive = torch.cat([flags.new_ones(len(flags), 2), flags], 1)
        return dict(
            loss_contrast=self.loss_weights['contrast']
            * self.contrast_loss(student, anchors, positive)
        )

    def update_teacher(self) -> None:
        """Average the projector of the present step into the teacher; the first call copies it."""
        self.teacher.update_parameters(self.projector)

    def local_tokens(
        self, local: Tensor, grid: Sequence[int], maps: MultiScaleMaps, tags: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Class tokens of the local views, and whether they are positive.

        Args:
            local (Tensor): (B,3,H,W).
            grid (tuple[int]): (h,w) tokens.
            maps (MultiScaleMaps): Maps of the first view.
            tags (Tensor): (B,C).

        Returns:
            tuple[Tensor, Tensor]: (M,B,D), and (B,M) bool.
        """
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

    def roi(self, grid: Sequence[int], maps: MultiScaleMaps, tags: Tensor) -> Tensor:
        """Map of the objects, (B,h,w) of 0, 1 or 2, on a grid of that size (bicubic)."""
        cams = self.cam_of(self.flag_cam, maps)
        cams = (
            F.interpolate(cams, size=tuple(grid), mode='bicubic', align_corners=False)
            if cams.shape[1]
            else cams.new_zeros(len(cams), 0, *grid)
        )
        return object_roi(
            cams, tags[:, maps.classes], self.pseudo_label['low'], self.pseudo_label['high']
        )
