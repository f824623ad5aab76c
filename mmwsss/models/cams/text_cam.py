"""Maps of words: softmax Grad-CAM of a CLIP, without training."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from mmwsss.models.backbones.token_vit import TokenFeatures
from mmwsss.registry import MODELS
from mmwsss.utils.text_embeddings import read_text_embeddings

from .base import CAMMethod
from .gradients import differentiable


@MODELS.register_module()
class TextCAM(CAMMethod):
    """Grad-CAM of the last layer with the probability of a class among the asked classes and the
    backgrounds as its score (CLIP-ES, CVPR 2023).

    The normalised class token is projected into the space of the texts, the cosines with the texts
    pass a softmax, so that a class is what tells it from the others and from what is around it.
    Feature maps are what the attention of the last layer reads, after its first norm; a channel
    weighs the mean of its gradient over the patches. The class head of the model has no part in it:
    the backbone is a CLIP with ``final_norm`` and one class token, and nothing need be trained.

    Args:
        embeddings (str): File of :func:`mmwsss.preparation.text_prompts.make_text_embeddings`.
        classes (Sequence[str]): Class names of the data set, which the file has to hold.
        affinity, affinity_layers: See :class:`CAMMethod`.

    Raises:
        FileNotFoundError: No such file.
        ValueError: A damaged file, one of other classes, or one of another network.
    """

    # it cannot be chosen without a file
    variants: ClassVar[dict[str, dict[str, Any]]] = {}

    layer_inputs = 1

    def __init__(
        self,
        embeddings: str | Path,
        classes: Sequence[str],
        *,
        affinity: str = 'Am',
        affinity_layers: int | None = None,
    ) -> None:
        super().__init__(affinity=affinity, affinity_layers=affinity_layers)
        content = read_text_embeddings(embeddings, classes)
        self.file = embeddings
        self.num_classes = len(classes)
        self.texts = F.normalize(torch.from_numpy(content.embeddings).float(), dim=-1)
        self.projection = torch.from_numpy(content.projection).float()
        self.scale = float(content.scale)

    def maps(self, model: Any, features: TokenFeatures, keys: Sequence[int]) -> Tensor:
        """(B,K,N) >= 0."""
        backbone, maps = model.backbone, []
        self._check(model)
        last, patches = backbone.num_layers - 1, backbone.patch_rows
        device = features.patch_map.device
        rows = [*keys, *range(self.num_classes, len(self.texts))]
        texts, projection = self.texts[rows].to(device), self.projection.to(device)
        with differentiable(features.layer_inputs[-1]) as x:
            normed = backbone.first_norm(last, x).detach().requires_grad_()
            tokens, _ = backbone.explain_layer(
                last, x, grid=features.patch_map.shape[-2:], class_rows=True, normed=normed
            )
            images = F.normalize(backbone.ln1(tokens)[:, 0] @ projection, dim=-1)
            probabilities = (self.scale * images @ texts.T).softmax(-1)
            for position in range(len(keys)):
                (gradient,) = torch.autograd.grad(
                    probabilities[:, position].sum(), normed, retain_graph=position < len(keys) - 1
                )
                channel_weights = gradient[:, patches].mean(1, keepdim=True)
                maps.append((channel_weights * normed.detach()[:, patches]).sum(-1).relu())
        return torch.stack(maps, 1)

    def _check(self, model: Any) -> None:
        backbone = model.backbone
        problem = None
        if model.num_classes != self.num_classes:
            problem = f'{self.num_classes} classes, the model has {model.num_classes}'
        elif backbone.embed_dims != len(self.projection):
            problem = f'width {len(self.projection)}, the backbone has {backbone.embed_dims}'
        elif not backbone.final_norm or backbone.num_class_tokens != 1:
            problem = 'a CLIP: set final_norm=True and num_class_tokens=1 of the backbone'
        if problem:
            raise ValueError(f'{self.file}: these text embeddings belong to {problem}')
