"""Interface of CAM methods, which compute maps from a trained network."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor

from mmwsss.functional.attention import AttentionRequest
from mmwsss.functional.cam import refine_with_affinity
from mmwsss.functional.precision import at_least_float32
from mmwsss.models.algorithms.acr import ACRClassifier
from mmwsss.models.algorithms.mctformer import MCTformer
from mmwsss.models.algorithms.mctformer_plus import MCTformerPlus
from mmwsss.models.backbones.token_vit import TokenFeatures
from mmwsss.registry import MODELS


class CAMMethod(ABC):
    """Computes class activation maps from the features of a :class:`TagClassifier` with class
    tokens.

    A method defines what the network has to return (:attr:`requests`, :attr:`layer_inputs`) and
    computes maps from it (:meth:`maps`). All methods share the refinement with the patch affinity,
    which ``test_cfg.refine`` of the model switches on.

    Args:
        affinity (str): ``'Am'`` or ``'mA'``, see :func:`refine_with_affinity`.
        affinity_layers (int, optional): Number of last layers over which the affinity is summed;
            None for all.
    """

    #: Short names for tables and the command line, with the options that each of them selects.
    variants: ClassVar[dict[str, dict[str, Any]]] = {}

    #: Attention from which the maps are computed, by the name that :meth:`maps` uses.
    requests: Mapping[str, AttentionRequest] = {}
    #: Whether the map of a class depends on the other requested classes; the maps of each image of
    #: a batch are then computed for its classes only.
    classes_compete: ClassVar[bool] = False
    # number of last layers from whose inputs the maps are computed; None for all
    layer_inputs: int | None = 0

    def __init__(self, *, affinity: str = 'Am', affinity_layers: int | None = None) -> None:
        if affinity not in ('Am', 'mA'):
            raise ValueError(f"affinity must be 'Am' or 'mA', got {affinity!r}")
        self.affinity = affinity
        self.affinity_request = AttentionRequest(
            'patch_to_patch', layers=affinity_layers, reduce='sum'
        )

    @abstractmethod
    def maps(self, model: Any, features: TokenFeatures, keys: Sequence[int]) -> Tensor:
        """Maps before refinement.

        Args:
            model (TagClassifier): Classifier that scores class tokens and patches.
            features (TokenFeatures): Features with the ``attention`` of :attr:`requests` and
                ``layer_inputs``.
            keys (list[int]): K class ids.

        Returns:
            Tensor: (B,K,N), any sign.
        """

    def extract(
        self, model: ACRClassifier | MCTformer | MCTformerPlus, inputs: Tensor
    ) -> TokenFeatures:
        """:class:`TokenFeatures` of images (B,3,H,W) with the inputs of the maps; without
        gradients.
        """
        backbone = model.backbone
        if not hasattr(backbone, 'explain_layer'):
            raise ValueError(
                f'the CAM method {type(self).__name__} needs a backbone with class tokens, such '
                f'as mmwsss.TokenViT, not {type(backbone).__name__}'
            )
        requests = dict(self.requests)
        if model.test_cfg.get('refine'):
            requests['affinity'] = self.affinity_request
        return backbone(inputs, attention=requests, layer_inputs=self.layer_inputs)

    def maps_of(
        self,
        model: ACRClassifier | MCTformer | MCTformerPlus,
        features: TokenFeatures,
        keys: Sequence[int],
    ) -> Tensor:
        """Maps (B,K,h,w) of the classes ``keys``, float32, refined with the affinity if the model
        is configured so.
        """
        with torch.autocast(features.patch_map.device.type, enabled=False):
            maps = at_least_float32(self.maps(model, features, keys).detach()).unflatten(
                2, features.patch_map.shape[-2:]
            )
            return (
                refine_with_affinity(maps, features.attention['affinity'], side=self.affinity)
                if model.test_cfg.get('refine')
                else maps
            )


def cam_methods() -> dict[str, dict[str, Any]]:
    """Configs of all registered CAM methods by short name, or by registered name where a method has
    no short names. Methods registered by modules of the user are included; a method that defines no
    variants because it needs options is not.
    """
    MODELS.import_from_location()
    methods = {}
    for name, kind in MODELS.module_dict.items():
        if isinstance(kind, type) and issubclass(kind, CAMMethod):
            own = vars(kind).get('variants', {name: {}})
            methods.update(
                {short: dict(type=f'mmwsss.{name}', **options) for short, options in own.items()}
            )
    return methods


def token_rows(model: ACRClassifier | MCTformer | MCTformerPlus, keys: Sequence[int]) -> list[int]:
    """Row of each class's token: the token of the class with one token per class, otherwise the
    single token.
    """
    tokens = model.backbone.num_class_tokens
    if tokens not in (1, model.num_classes):
        raise ValueError(
            f'{tokens} class tokens for {model.num_classes} classes: no class has a token of its '
            f'own; set num_class_tokens to {model.num_classes} or 1'
        )
    return list(keys) if tokens > 1 else [0] * len(keys)
