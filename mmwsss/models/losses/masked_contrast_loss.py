"""Contrastive loss between views of an image that show its objects and views that do not."""

import math

import torch
from torch import Tensor, nn

from mmwsss.registry import MODELS


@MODELS.register_module()
class MaskedContrastLoss(nn.Module):
    """Masked collaborative contrast (MCC Eq. 10); with crops instead of masks it is the class-token
    contrast of ToCo (Eq. 8).

    With ``z_tv`` the product of teacher view t and student view v over the temperature, P the
    positive views of an image and ``n_t`` the sum of ``exp(z_tv)`` over its negative views, the
    loss of an image is::

        1 / (2 |P|) sum_t sum_{v in P} log((exp(z_tv) + n_t + eps) / exp(z_tv)),

    here in log-sum-exp form, because the quotient overflows float32 for z > 88. The mean over
    images is returned. It is computed in float32, also under AMP.

    Args:
        temperature (float): Temperature of the products of two outputs, which are not normalised
            (0.5; ToCo on COCO 1).
        for_else_term (bool): The released form: ``log(1 + n_t + eps)`` joins the sum over t, as its
            loops add after their last positive (one more positive, of logit 0), and the divisor is
            ``2 (|P| + eps)``.
        eps (float): 1e-4 as released.

    Raises:
        ValueError: The temperature is not positive.
    """

    def __init__(
        self, temperature: float = 0.5, for_else_term: bool = False, *, eps: float = 1e-4
    ) -> None:
        super().__init__()
        if temperature <= 0:
            raise ValueError(f'temperature must be positive, got {temperature}')
        self.temperature = temperature
        self.for_else_term = for_else_term
        self.eps = eps

    def forward(self, student: Tensor, teacher: Tensor, positive: Tensor) -> Tensor:
        """Scalar loss. No gradient reaches the teacher; an image without positive views contributes
        0.

        Args:
            student (Tensor): (V,B,D) outputs of V views.
            teacher (Tensor): (2,B,D) outputs of the teacher (any number of views).
            positive (Tensor): (B,V) flags, nonzero where a view shows the objects of its image.

        Raises:
            ValueError: The shapes do not match.
        """
        if student.shape[1:] != teacher.shape[1:] or positive.shape != student.shape[1::-1]:
            raise ValueError(
                f'student {tuple(student.shape)} must be (V,B,D), teacher {tuple(teacher.shape)} '
                f'(2,B,D) and positive '
                f'{tuple(positive.shape)} (B,V)'
            )
        with torch.autocast(student.device.type, enabled=False):
            products = (
                torch.einsum('tbd,vbd->btv', teacher.detach().float(), student.float())
                / self.temperature
            )
            positive = positive.to(products.device) > 0
            negatives = products.masked_fill(positive[:, None], -math.inf)
            # log(n_t + eps); never -inf, so that its gradient exists
            log_rest = torch.cat(
                [negatives, negatives.new_full((*negatives.shape[:2], 1), math.log(self.eps))], 2
            ).logsumexp(2)
            terms = nn.functional.softplus(log_rest[:, :, None] - products)
            per_image = terms.masked_fill(~positive[:, None], 0).sum((1, 2))
            count = positive.sum(1)
            divisor = count.clamp(min=1).float()
            if self.for_else_term:
                per_image = per_image + nn.functional.softplus(log_rest).sum(1)
                divisor = count + self.eps
            return (per_image / (len(teacher) * divisor)).masked_fill(count == 0, 0).mean()

    def extra_repr(self) -> str:
        return f'temperature={self.temperature}, for_else_term={self.for_else_term}'
