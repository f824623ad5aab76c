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
    """Turns the features of a :class:`TagClassifier` with class tokens into class activation maps.

    A method defines what the network has to return (:attr:`requests`, :attr:`layer_inputs`) and
    computes maps from it (:meth:`maps`). All methods share the refinement with the patch affinity,
    which ``test_cfg.refine`` of the model switches on.

    Args:
        affinity (str): ``'Am'`` or ``'mA'``, see :func:`refine_with_affinity`.
        affinity_layers (int, optional): The affinity is the sum over the last layers; None for all.
    """

    #: Short names in tables and on the command line, and the options that each stands for.
    variants: ClassVar[dict[str, dict[str, Any]]] = {}

    #: Attention that the maps are computed from, by the name that :meth:`maps` reads it by.
    requests: Mapping[str, AttentionRequest] = {}
    #: Whether the map of a class depends on which other classes are asked for; each image of a
    #: batch is then asked for its own classes alone.
    classes_compete: ClassVar[bool] = False
    # number of last layers whose inputs the maps are computed from; None for all
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
            model (TagClassifier): Scores class tokens and patches.
            features (TokenFeatures): With ``attention`` of :attr:`requests` and ``layer_inputs``.
            keys (list[int]): K class ids.

        Returns:
            Tensor: (B,K,N), any sign.
        """

    def extract(
        self, model: ACRClassifier | MCTformer | MCTformerPlus, inputs: Tensor
    ) -> TokenFeatures:
        """:class:`TokenFeatures` of images (B,3,H,W) with what the maps need; without gradients."""
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
    """Every registered CAM method: its short names, or its registered name where it has none, and
    the config that each stands for. Those that a user's modules registered are among them; a method
    that states no variants of its own, because it needs options, is not.
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
    """Row of each class's token: its own with one token per class, else that of the only one."""
    tokens = model.backbone.num_class_tokens
    if tokens not in (1, model.num_classes):
        raise ValueError(
            f'{tokens} class tokens for {model.num_classes} classes: no class has a token of its '
            f'own; set num_class_tokens to {model.num_classes} or 1'
        )
    return list(keys) if tokens > 1 else [0] * len(keys)
