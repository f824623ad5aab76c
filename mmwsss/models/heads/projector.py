"""Projector of class tokens for contrast between views."""

import torch
from mmengine.model.weight_init import trunc_normal_
from torch import Tensor, nn
from torch.nn import functional as F

from mmwsss.functional.vectors import unit_vectors
from mmwsss.registry import MODELS


@MODELS.register_module()
class Projector(nn.Module):
    """Three linear layers and a cosine layer (MCC section III-C, ToCo; the head of DINO without
    temperature).

    ``D -> hidden -> hidden -> bottleneck`` with GELU in between, L2 normalisation, then the cosines
    with ``out_channels`` directions. The outputs are not normalised: products of two of them may
    exceed 1.

    Args:
        in_channels (int): D.
        out_channels (int): Number of directions.
        hidden_channels, bottleneck_channels (int): Widths of the layers.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int = 1024,
        *,
        hidden_channels: int = 2048,
        bottleneck_channels: int = 256,
    ) -> None:
        super().__init__()
        self.mlp = nn.Sequential(
            nn.Linear(in_channels, hidden_channels),
            nn.GELU(),
            nn.Linear(hidden_channels, hidden_channels),
            nn.GELU(),
            nn.Linear(hidden_channels, bottleneck_channels),
        )
        for module in self.mlp:
            if isinstance(module, nn.Linear):
                trunc_normal_(module.weight, std=0.02)
                nn.init.zeros_(module.bias)
        # the released layer is weight-normalised with a frozen gain of 1: only the directions
        # matter
        self.last_layer = nn.Linear(bottleneck_channels, out_channels, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Outputs (...,out_channels), each in [-1,1], of tokens (...,D); the cosines are taken in
        float32 also under AMP.
        """
        x = self.mlp(x)
        with torch.autocast(x.device.type, enabled=False):
            return F.linear(unit_vectors(x), F.normalize(self.last_layer.weight.float(), dim=-1))
