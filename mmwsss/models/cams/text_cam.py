"""Maps of class names: softmax Grad-CAM of a CLIP model, without training."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from mmwsss.functional.cam import minmax_normalize, refine_in_boxes
from mmwsss.functional.precision import at_least_float32
from mmwsss.models.backbones.token_vit import TokenFeatures
from mmwsss.registry import MODELS
from mmwsss.utils.class_lists import benchmark_classes
from mmwsss.utils.text_embeddings import read_text_embeddings

from .base import CAMMethod
from .gradients import channel_maps


@MODELS.register_module()
class TextCAM(CAMMethod):
    """Grad-CAM of the last layer, where the score is the probability of a class among the requested
    classes and the backgrounds (CLIP-ES, CVPR 2023).

    The normalised class token is projected into the space of the texts and its cosines with the
    texts pass a softmax, so that the map shows what distinguishes a class from the other classes
    and from its surroundings. Feature maps are the inputs of the attention of the last layer, after
    its first norm; the weight of a channel is the mean of its gradient over the patches. The class
    head of the model is not used: the backbone is a CLIP model with ``final_norm`` and one class
    token, and no training is needed.

    Args:
        embeddings (str): File of ``tools/misc/make_text_cache.py``.
        classes (Sequence[str] | str): Class names of the data set, which the file must contain, or
            the name of a benchmark (:data:`mmwsss.utils.class_lists.CLASS_LISTS`).
        prompt_hash (str, optional): Expected hash of the sentences in the file, as printed by
            ``make_text_cache.py``.
        box_threshold (float, optional): Refinement as in CLIP-ES, see
            :func:`~mmwsss.functional.cam.refine_in_boxes` (0.4 on VOC, 0.7 on COCO); None: the
            refinement of the other methods.
        affinity: See :class:`CAMMethod`; used by the refinement without boxes.
        affinity_layers (int, optional): Number of last layers over which the affinity is summed.

    Raises:
        FileNotFoundError: The file does not exist.
        ValueError: The file is damaged, or contains other classes or sentences, or belongs to
            another network.
    """

    # no variants: the method requires a file
    variants: ClassVar[dict[str, dict[str, Any]]] = {}

    layer_inputs = 1
    classes_compete = True

    def __init__(
        self,
        embeddings: str | Path,
        classes: Sequence[str] | str,
        *,
        prompt_hash: str | None = None,
        box_threshold: float | None = 0.4,
        affinity: str = 'Am',
        affinity_layers: int | None = 8,
    ) -> None:
        super().__init__(affinity=affinity, affinity_layers=affinity_layers)
        if box_threshold is not None and not 0 <= box_threshold < 1:
            raise ValueError(f'box_threshold must be in [0,1) or None, got {box_threshold}')
        if isinstance(classes, str):
            classes = benchmark_classes(classes)[1:]
        content = read_text_embeddings(embeddings, classes, prompt_hash)
        self.box_threshold = box_threshold
        self.file = embeddings
        self.num_classes = len(classes)
        self.texts = F.normalize(torch.from_numpy(content.embeddings).float(), dim=-1)
        self.projection = torch.from_numpy(content.projection).float()
        self.scale = float(content.scale)

    def maps(self, model: Any, features: TokenFeatures, keys: Sequence[int]) -> Tensor:
        """(B,K,N) >= 0."""
        self._check(model)
        backbone = model.backbone

        def scores_of(tokens: Tensor) -> Tensor:
            return self.probabilities(model, backbone.ln1(tokens), keys)[:, : len(keys)]

        return channel_maps(backbone, features, scores_of)

    def probabilities(self, model: Any, class_tokens: Tensor, keys: Sequence[int]) -> Tensor:
        """Softmax over the classes ``keys`` and the backgrounds.

        Args:
            model (TagClassifier): Classifier with the backbone of the CLIP model of the texts.
            class_tokens (Tensor): (B,1,D), normalised.
            keys (Sequence[int]): K class ids.

        Returns:
            Tensor: (B,K+M-C), classes first.
        """
        self._check(model)
        device = class_tokens.device
        rows = [*keys, *range(self.num_classes, len(self.texts))]
        images = F.normalize(
            at_least_float32(class_tokens[:, 0]) @ self.projection.to(device), dim=-1
        )
        return (self.scale * images @ self.texts[rows].to(device).T).softmax(-1)

    def maps_of(self, model: Any, features: TokenFeatures, keys: Sequence[int]) -> Tensor:
        """See :meth:`CAMMethod.maps_of`."""
        if self.box_threshold is None or not model.test_cfg.get('refine'):
            return super().maps_of(model, features, keys)
        with torch.autocast(features.patch_map.device.type, enabled=False):
            maps = at_least_float32(self.maps(model, features, keys).detach()).unflatten(
                2, features.patch_map.shape[-2:]
            )
            affinity = at_least_float32(features.attention['affinity'])
            return refine_in_boxes(minmax_normalize(maps), affinity, threshold=self.box_threshold)

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
