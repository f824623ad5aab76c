"""CLIP-ES: maps of class names from a CLIP model, without training (Lin et al., CVPR 2023)."""

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from mmwsss.checkpoints.released_weights import accept_released_weights
from mmwsss.models.backbones.token_vit import TokenFeatures
from mmwsss.registry import MODELS
from mmwsss.structures import WSSSDataSample

from .base import TagClassifier


@MODELS.register_module()
class CLIPES(TagClassifier):
    """The image encoder of a CLIP model, whose maps and tag scores are computed from texts.

    All of its weights belong to the backbone: the checkpoint of ``tools/generate_cams.py`` is the
    file of the CLIP model, with the parameter names of transformers, open_clip or timm. Its pseudo
    masks train a segmentation network, like those of every other classifier.

    Args:
        backbone (dict): :class:`TokenViT` with the options of that CLIP model, ``final_norm`` and
            one class token.
        num_classes (int): C.
        test_cfg (dict): Options of :class:`TagClassifier`; ``cam`` is a
            :class:`mmwsss.models.cams.TextCAM`.
        options: Further options of :class:`TagClassifier`.

    Raises:
        ValueError: ``test_cfg.cam`` is missing.
    """

    default_test_cfg: dict[str, Any] = dict(TagClassifier.default_test_cfg, flip=False)

    def __init__(self, backbone: dict[str, Any], num_classes: int, **options: Any) -> None:
        super().__init__(backbone, num_classes, **options)
        if not hasattr(self.cam, 'probabilities'):
            raise ValueError(
                'CLIPES needs the texts of the classes: test_cfg.cam must be '
                "dict(type='mmwsss.TextCAM', embeddings=<file of make_text_cache.py>, classes=...)"
            )
        accept_released_weights(self)

    def loss(self, inputs: Any, data_samples: list[WSSSDataSample]) -> dict[str, Tensor]:
        """Raise an error, because this model is not trained.

        Raises:
            ValueError: The model cannot be trained.
        """
        raise ValueError(
            'CLIPES is not trained: give tools/generate_cams.py its config and the file of the CLIP'
        )

    def extract(self, inputs: Tensor) -> Any:
        """Features with the inputs that the maps need."""
        return self.cam.extract(self, inputs)

    def scores_of(self, extracted: TokenFeatures) -> Tensor:
        """Probabilities of all classes, normalised over the classes and the backgrounds."""
        keys = range(self.num_classes)
        return self.cam.probabilities(self, extracted.class_tokens, keys)[:, : self.num_classes]

    def maps_of(self, extracted: TokenFeatures, keys: Sequence[int]) -> Tensor:
        return self.cam.maps_of(self, extracted, keys)
