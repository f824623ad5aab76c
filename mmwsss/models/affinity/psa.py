"""PSA: pixel-level affinities learnt from confident cells, and the random walk that propagates
seeds with them.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mmwsss.checkpoints.released_weights import accept_released_weights
from mmwsss.functional.affinity import affinity_l1, affinity_loss, background_plane, block_average
from mmwsss.functional.random_walk import random_walks
from mmwsss.registry import MODELS
from mmwsss.structures import WSSSDataSample

from .base import AffinityPropagator


@MODELS.register_module()
class AffinityNet(AffinityPropagator):
    """AffinityNet (Ahn and Kwak, CVPR 2018).

    Trunk maps are embedded by 1x1 convolutions and ELU, concatenated and fused by another. The
    affinity of two cells within ``radius`` is ``exp(-mean |difference|)`` of their features. It is
    trained on label maps made by :func:`mmwsss.functional.affinity.affinity_labels`. Released
    weights (``resnet38_aff.pth``) load under their original names.

    Args:
        backbone (dict, optional): Config of any backbone that returns a tuple of maps; default
            ``WideResNet38``, first stage frozen.
        embed_channels (Sequence[int]): Embedding channels of each feature map.
        radius (int): Neighbourhood in cells of the grid.
        stride (int): Stride of the grid in pixels; maps of another size are resized to the grid.
        full_border (bool): Also use pairs whose from cell lies near the border, which the original
            leaves out.
        options: Keyword options of the base class: feature maps, ``test_cfg`` (options of
            :meth:`propagate`), ``data_preprocessor``.

    Raises:
        ValueError: The numbers of feature maps and of embeddings differ.
    """

    def __init__(
        self,
        backbone: dict[str, Any] | None = None,
        *,
        embed_channels: Sequence[int] = (64, 128, 256),
        radius: int = 5,
        stride: int = 8,
        full_border: bool = False,
        init_cfg: dict[str, Any] | None = None,
        **options: Any,
    ) -> None:
        initialization: Any = init_cfg
        if initialization is None:
            initialization = [
                dict(
                    type='Kaiming',
                    mode='fan_in',
                    nonlinearity='relu',
                    distribution='normal',
                    override=dict(name='projections'),
                ),
                dict(type='Xavier', gain=4, distribution='uniform', override=dict(name='fuse')),
            ]
        super().__init__(
            backbone or dict(type='mmwsss.WideResNet38', frozen_stages=1),
            init_cfg=initialization,
            **options,
        )
        if len(embed_channels) != len(self.feature_channels):
            raise ValueError(
                f'{len(embed_channels)} embed_channels for {len(self.feature_channels)} feature '
                f'maps: give one width per feature map'
            )
        self.projections = nn.ModuleList(
            nn.Conv2d(*widths, 1, bias=False)
            for widths in zip(self.feature_channels, embed_channels)
        )
        self.fuse = nn.Conv2d(sum(embed_channels), sum(embed_channels), 1, bias=False)
        self.radius = radius
        self.stride = stride
        self.full_border = full_border
        accept_released_weights(self)

    def features(self, inputs: Tensor) -> Tensor:
        """Features (B,D,h,w) whose L1 distance is the affinity, on a grid of ceil(H/stride) x
        ceil(W/stride) cells.
        """
        grid = [-(-side // self.stride) for side in inputs.shape[-2:]]
        embedded = []
        for projection, feature_map in zip(self.projections, self.feature_maps(inputs)):
            x = projection(feature_map)
            if list(x.shape[-2:]) != grid:
                x = F.interpolate(x, size=grid, mode='bilinear', align_corners=False)
            embedded.append(F.elu(x))
        return F.elu(self.fuse(torch.cat(embedded, 1)))

    def loss(self, inputs: Tensor, data_samples: list[WSSSDataSample]) -> dict[str, Tensor]:
        """Affinity loss of a batch, normalised over the whole batch of all
        ranks.

        Args:
            inputs (Tensor): (B,3,H,W) normalised.
            data_samples (list): With ``affinity_label`` (1,h,w): 0 background, class or position,
                255 uncertain.

        Returns:
            dict[str, Tensor]: ``loss_affinity``, and its terms for the log.

        Raises:
            ValueError: Labels and features differ in size.
        """
        features, label = self.features(inputs), self.stack_labels(data_samples, inputs.device)
        if label.shape[-2:] != features.shape[-2:]:
            raise ValueError(
                f'affinity_label is {tuple(label.shape[-2:])} but the grid is '
                f'{tuple(features.shape[-2:])}; '
                f'make labels at stride {self.stride}'
            )
        affinity = affinity_l1(features, self.radius, self.full_border)
        counts = self.global_pair_counts(label, self.radius, full_border=self.full_border)
        terms = affinity_loss(affinity, label, self.radius, self.full_border, counts=counts)
        return self.losses_of(terms)

    def propagate(
        self,
        image: Tensor,
        cams: Tensor,
        *,
        beta: float = 8,
        log2_steps: int = 6,
        background: float | tuple[str, int] = 0.39,
    ) -> Tensor:
        """Propagate seeds over an image, or over B images of the same size.

        Args:
            image (Tensor): (3,H,W) or (B,3,H,W) normalised.
            cams (Tensor): (K,H,W) or (B,K,H,W) in [0,1] of the classes in the image; K may be 0. An
                image with fewer classes than others has maps of 0, which stay 0.
            beta (float): Exponent of the affinities.
            log2_steps (int): The walk has 2^log2_steps steps.
            background (float | tuple): Constant background score, or ``('alpha', a)`` for (1 -
                max_k cam_k)^a.

        Returns:
            Tensor: (...,K+1,H,W) float32 scores, background first; their argmax is the pseudo
                label.

        Raises:
            ValueError: Image and maps differ in size.
        """
        image, cams = self.prepare(image, cams)
        seeds = torch.cat([background_plane(cams, background), cams], -3)
        (scores,) = self.walks(image, seeds, betas=(beta,), log2_steps=(log2_steps,))
        return scores

    def walks(
        self, image: Tensor, seeds: Tensor, *, betas: Sequence[float], log2_steps: Sequence[int]
    ) -> Iterator[Tensor]:
        """Propagate seeds over an image by several walks, which share its features and affinities.

        Args:
            image (Tensor): (3,H,W) or (B,3,H,W) normalised, on the device of the network.
            seeds (Tensor): (...,N,H,W) scores on it, the background among them.
            betas (Sequence[float]): Exponents of the affinities.
            log2_steps (Sequence[int]): Ascending; a walk has 2^log2_steps steps.

        Yields:
            Tensor: (...,N,H,W) float32 scores; all numbers of steps of the first exponent come
                first.
        """
        height, width = image.shape[-2:]
        # zero padding beyond the border, also for the background
        seeds = block_average(seeds, self.stride)
        padded = F.pad(image, (0, -width % self.stride, 0, -height % self.stride))
        single = image.dim() == 3
        if single:
            padded, seeds = padded[None], seeds[None]
        with self.inference():
            features = self.features(padded)
        affinity = affinity_l1(features, self.radius, self.full_border)
        for beta in betas:
            for scores in random_walks(
                affinity,
                seeds,
                self.radius,
                beta=beta,
                num_steps=[2**steps for steps in log2_steps],
                full_border=self.full_border,
            ):
                scores = F.interpolate(
                    scores, scale_factor=self.stride, mode='bilinear', align_corners=False
                )[..., :height, :width]
                yield scores[0] if single else scores
