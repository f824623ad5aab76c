"""Common part of MCC and ToCo: a contrast between class tokens of whole views and of local ones."""

import copy
from abc import abstractmethod
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from mmwsss.functional.cam import resize_maps
from mmwsss.functional.masking import object_roi
from mmwsss.models.backbones.token_vit import TokenFeatures
from mmwsss.models.modules import TeacherStudent
from mmwsss.registry import MODELS

from .single_stage import MultiScaleMaps, SingleStage, cam_schedule


class TokenContrast(SingleStage):
    """:class:`SingleStage` and a contrast between class tokens of whole views and of local ones.

    There are three views: the labelled image, a second crop of its photo, and a view from which
    :meth:`local_tokens` of the subclass computes local tokens. A local token is positive if its
    part of the image shows tagged objects, by the CAMs of the first view. The projections of the
    two whole views by the averaged projector are the anchors; the backbone is shared.

    ``update_teacher()`` averages the projector into its teacher; :class:`TeacherEMAHook` calls it
    after every step.

    Args:
        projector (dict, optional): Options of :class:`Projector`.
        momentum (float): m of the averaged projector, ``teacher = m teacher + (1 - m) student``.
        contrast_loss (dict, optional): Options of :class:`MaskedContrastLoss`.
        min_object (float): See :func:`visible_object_flags`.
        flag_cam (str | list): Classifier whose maps define the positive views: ``'main'``,
            ``'aux'`` or a schedule, as in ``pseudo_label``.
        options: Further options of :class:`SingleStage`.

    Raises:
        ValueError: The momentum is outside [0,1], or training does not have three views.
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
        min_object: float = 0.2,
        flag_cam: str | Sequence[tuple[int, str]] = 'aux',
        **options: Any,
    ) -> None:
        super().__init__(backbone, num_classes, **options)
        self.projector = MODELS.build(
            dict(type='mmwsss.Projector', in_channels=self.backbone.embed_dims)
            | dict(projector or {})
        )
        # its weights are called teacher.module in released and in older checkpoints
        self.teacher = nn.Sequential(OrderedDict(module=copy.deepcopy(self.projector)))
        self.average = TeacherStudent(self, {'teacher.module': 'projector'}, momentum)
        self.register_load_state_dict_pre_hook(_drop_steps)
        self.contrast_loss = MODELS.build(
            dict(type='mmwsss.MaskedContrastLoss') | dict(contrast_loss or {})
        )
        self.min_object = min_object
        self.flag_cam = cam_schedule('flag_cam', flag_cam)

    def init_weights(self) -> None:
        """Initialise all modules, then copy the projector into the teacher."""
        super().init_weights()
        self.average.reset()

    def update_teacher(self) -> None:
        """Average the projector of the finished step into the teacher. Before the contrast starts,
        the projector is not trained and both are equal.
        """
        self.average.update()

    def extra_losses(
        self, views: list[Tensor], features: TokenFeatures, maps: MultiScaleMaps, tags: Tensor
    ) -> dict[str, Tensor]:
        """``loss_contrast``: two whole views of student and teacher, and M local views of the
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
        _, second, local = views
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

    @abstractmethod
    def local_tokens(
        self, local: Tensor, grid: Sequence[int], maps: MultiScaleMaps, tags: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Class tokens of the local views, and whether they are positive.

        Args:
            local (Tensor): (B,3,H,W), the third view.
            grid (tuple[int]): (h,w) tokens.
            maps (MultiScaleMaps): Maps of the first view.
            tags (Tensor): (B,C).

        Returns:
            tuple[Tensor, Tensor]: (M,B,D), and (B,M) bool.
        """

    def roi(self, grid: Sequence[int], maps: MultiScaleMaps, tags: Tensor) -> Tensor:
        """Region of interest (B,h,w) with values 0, 1 or 2 on a grid of that size (bicubic)."""
        cams = resize_maps(self.cam_of(self.flag_cam, maps), grid, mode='bicubic')
        return object_roi(
            cams, tags[:, maps.classes], self.pseudo_label['low'], self.pseudo_label['high']
        )


def _drop_steps(
    model: nn.Module, state_dict: dict[str, Tensor], prefix: str, *arguments: Any
) -> None:
    """Drop the number of teacher updates from older checkpoints, which is no longer used."""
    state_dict.pop(f'{prefix}teacher.steps', None)
