"""GETAM: element-wise products of attention and its gradient."""

from typing import Any, ClassVar

from torch import Tensor

from mmwsss.registry import MODELS

from .layer_gradients import LayerGradients

FORMS = ('cam_grad', 'grad_s', 'cam_grad_s')


@MODELS.register_module()
class GETAM(LayerGradients):
    """Forms of gradient times attention, summed over the last layers (arXiv 2112.02841, as options
    of the released ACR code).

    With the class token's row of attention A and gradient G: ``'cam_grad'`` ``mean_h relu(G A)``,
    ``'grad_s'`` ``(mean_h relu G)^2``, ``'cam_grad_s'`` ``mean_h relu(G A) * mean_h relu G``.

    Args:
        form (str): One of these forms.
        grad_layers (int): Number of last layers.
        affinity, affinity_layers: See :class:`CAMMethod`.
    """

    variants: ClassVar[dict[str, dict[str, Any]]] = {form: dict(form=form) for form in FORMS}

    def __init__(self, form: str = 'cam_grad_s', grad_layers: int = 2, **affinity: Any) -> None:
        super().__init__(grad_layers, **affinity)
        if form not in FORMS:
            raise ValueError(f'form must be one of {FORMS}, got {form!r}')
        self.form = form

    def layer_map(self, weights: Tensor, gradient: Tensor) -> Tensor:
        """See :meth:`LayerGradients.layer_map`; >= 0."""
        product, positive = (weights * gradient).relu().mean(1), gradient.relu().mean(1)
        forms = dict(cam_grad=product, grad_s=positive**2, cam_grad_s=product * positive)
        return forms[self.form]
