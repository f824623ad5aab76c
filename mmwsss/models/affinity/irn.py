"""IRN: class boundaries learnt from confident pixels, and the random walk that stops at them."""

from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mmwsss.checkpoints.released_weights import accept_released_weights
from mmwsss.functional.affinity import (
    affinity_edge,
    affinity_loss,
    background_plane,
    displacement_loss,
    path_offsets,
)
from mmwsss.functional.random_walk import random_walks
from mmwsss.registry import MODELS
from mmwsss.structures import WSSSDataSample

from .base import AffinityPropagator

DTYPES = dict(fp32=None, bf16=torch.bfloat16, fp16=torch.float16)


@MODELS.register_module()
class IRNet(AffinityPropagator):
    """Inter-pixel relation network (Ahn, Cho and Kwak, CVPR 2019).

    The trunk is frozen, in evaluation mode and without gradients, unless ``freeze_trunk=False``;
    only the heads train. The affinity of two cells is 1 - the largest boundary probability on the
    line between them. Semantic masks need the boundary head alone: the displacement head shares no
    trainable parameters with it. Released weights (``res50_irn.pth``) load under their original
    names.

    Args:
        backbone (dict, optional): Config of any backbone that returns a tuple of maps; default
            ``PyramidResNet`` (ResNet50).
        with_displacement (bool): Also train displacement vectors (instance masks).
        edge_channels (int): Width of the boundary head per feature map.
        radius (int): Neighbourhood in cells during training.
        freeze_trunk (bool): False trains the trunk too, for training from random weights.
        dtype (str): ``'fp32'``, ``'bf16'`` or ``'fp16'``: autocast of the trunk.
        min_test_size (int): Test images are padded to a multiple of the largest stride and to this
            side at least, the training crop of the released code. The padding affects the result,
            because the group normalisation of the boundary head includes it.
        options: Keyword options of the base class: feature maps, ``test_cfg`` (options of
            :meth:`propagate`), ``data_preprocessor``, ``init_cfg``.

    Raises:
        ValueError: A stride is not a multiple of the smallest one, or ``dtype`` is unknown.
    """

    def __init__(
        self,
        backbone: dict[str, Any] | None = None,
        *,
        with_displacement: bool = False,
        edge_channels: int = 32,
        radius: int = 10,
        freeze_trunk: bool = True,
        dtype: str = 'fp32',
        min_test_size: int = 512,
        **options: Any,
    ) -> None:
        super().__init__(backbone or dict(type='mmwsss.PyramidResNet', depth=50), **options)
        self.stride = min(self.feature_strides)
        if any(stride % self.stride for stride in self.feature_strides):
            raise ValueError(
                f'feature_strides must be multiples of the smallest, got {self.feature_strides}'
            )
        if dtype not in DTYPES:
            raise ValueError(f'dtype must be one of {sorted(DTYPES)}, got {dtype!r}')
        self.radius = radius
        self.min_test_size = min_test_size + -min_test_size % max(self.feature_strides)
        self.dtype = DTYPES[dtype]
        self.freeze_trunk = freeze_trunk
        if freeze_trunk:
            self.backbone.requires_grad_(False)
        self.factors = tuple(stride // self.stride for stride in self.feature_strides)
        self.edge_embeddings = nn.ModuleList(
            _embedding(channels, edge_channels, 4) for channels in self.feature_channels
        )
        self.edge = nn.Conv2d(edge_channels * len(self.feature_channels), 1, 1)
        self.displacement = (
            DisplacementHead(self.feature_channels, self.factors) if with_displacement else None
        )
        accept_released_weights(self)

    def train(self, mode: bool = True) -> 'IRNet':
        """Set the mode; a frozen trunk stays in evaluation mode."""
        super().train(mode)
        if self.freeze_trunk:
            self.backbone.eval()
        return self

    def features(self, inputs: Tensor) -> tuple[Tensor, Tensor | None]:
        """Boundary logits (B,1,h,w) on the finest map, and displacement vectors (B,2,h,w) in cells
        or None.
        """
        precision = (
            nullcontext() if self.dtype is None else torch.autocast(inputs.device.type, self.dtype)
        )
        with torch.no_grad() if self.freeze_trunk else nullcontext(), precision:
            maps = self.feature_maps(inputs)
        maps = tuple(feature_map.to(inputs.dtype) for feature_map in maps)
        size = maps[self.factors.index(1)].shape[-2:]
        edges = [
            _enlarge(embedding(feature_map), factor, size)
            for embedding, feature_map, factor in zip(self.edge_embeddings, maps, self.factors)
        ]
        logits = self.edge(torch.cat(edges, 1))
        return logits, None if self.displacement is None else self.displacement(maps)

    def loss(self, inputs: Tensor, data_samples: list[WSSSDataSample]) -> dict[str, Tensor]:
        """Boundary loss, and displacement losses if configured, normalised over
        the whole batch of all ranks.

        Args:
            inputs (Tensor): (B,3,H,W) normalised.
            data_samples (list): With ``affinity_label`` (1,h,w): 0 background, class, 255
                uncertain, at the size of the grid or of the image.

        Returns:
            dict[str, Tensor]: ``loss_affinity`` and its terms; ``loss_displacement``.
        """
        logits, displacement = self.features(inputs)
        label = self.stack_labels(data_samples, inputs.device)
        # 'nearest-exact' picks the pixel at a cell's centre, as PIL does
        if label.shape[-2:] != logits.shape[-2:]:
            label = F.interpolate(
                label[:, None].float(), size=logits.shape[-2:], mode='nearest-exact'
            )[:, 0].long()
        offsets = path_offsets(self.radius)
        counts = self.global_pair_counts(label, self.radius, offsets=offsets)
        affinity = affinity_edge(logits[:, 0].float().sigmoid(), self.radius)
        terms = affinity_loss(affinity, label, self.radius, offsets=offsets, counts=counts)
        losses = self.losses_of(terms)
        if displacement is not None:
            foreground, background = displacement_loss(
                displacement, label, self.radius, counts=counts
            )
            losses['loss_displacement'] = (foreground + background) / 2
        return losses

    def boundary(self, image: Tensor, *, flip: bool = True) -> Tensor:
        """Class boundary probability of an image, or of B images of the same size.

        Args:
            image (Tensor): (3,H,W) or (B,3,H,W) normalised.
            flip (bool): Average the logits with those of the mirrored image.

        Returns:
            Tensor: (...,h,w) in [0,1], h=(H-1)//stride+1 and w likewise.
        """
        height, width = image.shape[-2:]
        images = image if image.dim() == 4 else image[None]
        views = torch.cat([images, images.flip(-1)]) if flip else images
        multiple = max(self.feature_strides)
        right, below = (
            max(size + -size % multiple, self.min_test_size) - size for size in (width, height)
        )
        with self.inference():
            logits = self.features(F.pad(views, (0, right, 0, below)))[0][:, 0].float()
        logits = logits[:, : (height - 1) // self.stride + 1, : (width - 1) // self.stride + 1]
        if flip:
            plain, mirrored = logits.chunk(2)
            logits = (plain + mirrored.flip(-1)) / 2
        edges = torch.sigmoid(logits)
        return edges if image.dim() == 4 else edges[0]

    def propagate(
        self,
        image: Tensor,
        cams: Tensor,
        *,
        beta: float = 10,
        log2_steps: int = 8,
        radius: int = 5,
        background: float = 0.25,
        flip: bool = True,
    ) -> Tensor:
        """Propagate seeds over an image, or over B images of the same size, up to the class
        boundaries.

        Args:
            image (Tensor): (3,H,W) or (B,3,H,W) normalised.
            cams (Tensor): (K,H,W) or (B,K,H,W) >= 0 of the classes in the image; K may be 0. An
                image with fewer classes than others has maps of 0, which stay 0.
            beta (float): Exponent of the affinities.
            log2_steps (int): The walk has 2^log2_steps steps.
            radius (int): Neighbourhood of the walk in cells.
            background (float): Background score; scores are divided by their maximum over all
                classes.
            flip (bool): See :meth:`boundary`.

        Returns:
            Tensor: (...,K+1,H,W) float32 scores, background first; their argmax is the pseudo
                label.

        Raises:
            ValueError: Image and maps differ in size.
        """
        image, cams = self.prepare(image, cams)
        plane = background_plane(cams, background)
        if not cams.shape[-3]:
            return plane
        walks = self.walks(
            image, cams, betas=(beta,), log2_steps=(log2_steps,), radius=radius, flip=flip
        )
        return torch.cat([plane, next(walks)], -3)

    def walks(
        self,
        image: Tensor,
        cams: Tensor,
        *,
        betas: Sequence[float],
        log2_steps: Sequence[int],
        radius: int = 5,
        flip: bool = True,
    ) -> Iterator[Tensor]:
        """Propagate seeds over an image by several walks, which share its boundaries and
        affinities.

        Args:
            image (Tensor): (3,H,W) or (B,3,H,W) normalised, on the device of the network.
            cams (Tensor): (...,K,H,W) on it, of at least one class.
            betas (Sequence[float]): Exponents of the affinities.
            log2_steps (Sequence[int]): Ascending; a walk has 2^log2_steps steps.
            radius, flip: See :meth:`propagate`.

        Yields:
            Tensor: (...,K,H,W) float32 scores, divided by their maximum over all classes; all
                numbers of steps of the first exponent come first.
        """
        height, width = image.shape[-2:]
        single = image.dim() == 3
        images, maps = (image[None], cams[None]) if single else (image, cams)
        edge = self.boundary(images, flip=flip)
        seeds = F.interpolate(maps, size=edge.shape[-2:], mode='bilinear', align_corners=False)
        seeds = seeds / seeds.amax((2, 3), keepdim=True).clamp_min(1e-5)
        affinity = affinity_edge(edge, radius, full_border=True)
        for beta in betas:
            for scores in random_walks(
                affinity,
                seeds * (1 - edge[:, None]),
                radius,
                beta=beta,
                num_steps=[2**steps for steps in log2_steps],
                full_border=True,
                offsets=path_offsets(radius),
            ):
                scores = F.interpolate(
                    scores, scale_factor=self.stride, mode='bilinear', align_corners=False
                )[..., :height, :width]
                scores = scores / scores.amax((1, 2, 3), keepdim=True).clamp_min(1e-5)
                yield scores[0] if single else scores


class DisplacementHead(nn.Module):
    """Vectors (dy, dx) from each cell towards the centre of its instance; their mean over the data
    set is subtracted in evaluation.

    Maps on the finest grid are embedded there (64 channels, then 128); the others (256) are resized
    to the coarse grid of the first of them, fused (256) and upsampled; the vectors are computed
    from all of them.

    Args:
        feature_channels (Sequence[int]): Channels of the feature maps, fine to coarse.
        factors (Sequence[int]): Their strides divided by the smallest one, not decreasing; at least
            one is above 1.
    """

    def __init__(self, feature_channels: Sequence[int], factors: Sequence[int]) -> None:
        super().__init__()
        fine = [width for width, factor in zip(feature_channels, factors) if factor == 1]
        coarse = [width for width, factor in zip(feature_channels, factors) if factor > 1]
        if (
            not coarse
            or list(factors) != sorted(factors)
            or any(factor % factors[len(fine)] for factor in factors[len(fine) :])
        ):
            raise ValueError(
                f'a displacement head needs strides in increasing multiples, got factors '
                f'{tuple(factors)}'
            )
        widths = [64] + [128] * (len(fine) - 1)
        self.factors = factors
        self.fine = nn.ModuleList(
            _embedding(channels, width, width // 8) for channels, width in zip(fine, widths)
        )
        self.coarse = nn.ModuleList(_embedding(channels, 256, 16) for channels in coarse)
        self.merge = _embedding(256 * len(coarse), 256, 16)
        self.vectors = nn.Sequential(
            _embedding(sum(widths) + 256, 256, 16),
            nn.ReLU(inplace=True),
            nn.Conv2d(256, 2, 1, bias=False),
        )
        self.mean: Tensor
        self.register_buffer('mean', torch.zeros(2))

    def set_mean(self, mean: list[float]) -> None:
        """Store the mean vector (2,) over the images that will be evaluated, computed after
        training.
        """
        self.mean.copy_(torch.as_tensor(mean))

    def forward(self, maps: tuple[Tensor, ...]) -> Tensor:
        """Vectors (B,2,h,w) from the feature maps (B,D,h,w)."""
        count = len(self.fine)
        step = self.factors[count]
        fine = [F.relu(embedding(feature_map)) for embedding, feature_map in zip(self.fine, maps)]
        middle = maps[count].shape[-2:]
        coarse = [
            _enlarge(embedding(feature_map), factor // step, middle)
            for embedding, feature_map, factor in zip(
                self.coarse, maps[count:], self.factors[count:]
            )
        ]
        merged = _enlarge(self.merge(torch.cat(coarse, 1)), step, fine[-1].shape[-2:])
        vectors = self.vectors(torch.cat([*fine, merged], 1))
        return vectors if self.training else vectors - self.mean.view(2, 1, 1)


def _embedding(channels_in: int, channels_out: int, groups: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels_in, channels_out, 1, bias=False), nn.GroupNorm(groups, channels_out)
    )


def _enlarge(x: Tensor, factor: int, size: Sequence[int]) -> Tensor:
    """Upsample by an integer factor (bilinear), apply ReLU and crop to ``size``, because strides
    round sizes up.
    """
    if factor > 1:
        x = F.interpolate(x, scale_factor=factor, mode='bilinear', align_corners=False)
    return F.relu(x)[..., : size[0], : size[1]]
