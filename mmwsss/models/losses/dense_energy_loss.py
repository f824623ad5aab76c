"""Dense energy loss of the single-stage methods."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmwsss.functional.energy import dense_energy, reliability_gate
from mmwsss.functional.pseudo_labels import box_mask
from mmwsss.registry import MODELS


@MODELS.register_module()
class DenseEnergyLoss(nn.Module):
    """Colour- and position-aware smoothness of a segmentation (ToCo, MCC, CoSA; not in the
    equations of the papers).

    Image, box and labels (nearest) and probabilities (bilinear) are resized by ``scale_factor``;
    the energy of the probabilities inside the box is weighted by a gate: 1 on pixels without a
    label, elsewhere 1 - the largest probability. Value and gradient: see
    :func:`mmwsss.functional.energy.dense_energy`. Computed in float32 also under AMP.

    The released implementations filter on a permutohedral lattice, whose sums are about half of the
    exact ones. The kernels are:

    - ``kernel='lattice'`` is this filter: it reproduces their values and gradients (to 1e-5) with
      ``gain=1`` and takes tenths of a second for 224 x 224 pixels on a CPU core.
    - ``kernel='exact'`` sums over all pairs of pixels and is meant for GPUs: 224 x 224 pixels take
      10-30 seconds per image on a CPU core. To keep the published strength, set ``gain`` to the
      ratio measured on photos, 0.52 (MCC) or 0.6 (CoSA).

    Args:
        weight (float): Factor of the energy (1e-7 as released).
        sigma_rgb (float): Standard deviation of colours in grey levels 0..255.
        sigma_xy (float): Standard deviation of positions in pixels of the input size.
        scale_factor (float): Factor by which the inputs are resized; it also scales ``sigma_xy``.
        gain (float): Factor of the kernel, see above.
        kernel (str): ``'exact'`` or ``'lattice'``.
        loss_weight (float): Outer weight of the loss (0.05 as released).
        ignore_index (int): Label of pixels without a label.
        block (int, optional): Number of pixels along one side of a block of the exact kernel, which
            bounds its memory.
    """

    def __init__(
        self,
        weight: float = 1e-7,
        sigma_rgb: float = 15.0,
        *,
        sigma_xy: float = 100.0,
        scale_factor: float = 0.5,
        gain: float = 1.0,
        kernel: str = 'exact',
        loss_weight: float = 1.0,
        ignore_index: int = 255,
        block: int | None = None,
    ) -> None:
        super().__init__()
        if min(sigma_rgb, sigma_xy, scale_factor) <= 0:
            raise ValueError(
                f'sigma_rgb, sigma_xy and scale_factor must be positive, got {sigma_rgb}, '
                f'{sigma_xy} and {scale_factor}'
            )
        if kernel not in ('exact', 'lattice'):
            raise ValueError(f"kernel must be 'exact' or 'lattice', got {kernel!r}")
        self.weight, self.loss_weight, self.gain = weight, loss_weight, gain
        self.sigma_rgb, self.sigma_xy, self.scale_factor = sigma_rgb, sigma_xy, scale_factor
        self.kernel, self.block, self.ignore_index = kernel, block, ignore_index

    def forward(
        self,
        logits: Tensor,
        images: Tensor,
        labels: Tensor,
        boxes: Tensor | None = None,
        tags: Tensor | None = None,
    ) -> Tensor:
        """Loss of a batch.

        Args:
            logits (Tensor): (B,C+1,h,w) segmentation logits; resized to (H,W) first (bilinear) when
                the sizes differ.
            images (Tensor): (B,3,H,W) RGB in 0..255, de-normalised.
            labels (Tensor): (B,H,W) pseudo labels, 255 ignore.
            boxes (Tensor, optional): (B,4) y0, y1, x0, x1 of the part of (H,W) that the image
                covers; everything by default.
            tags (Tensor, optional): (B,C) multi-hot. With tags, the channels of absent classes are
                left out of the energy, which is cheaper with many classes; their share is small but
                not zero. By default all channels count.

        Returns:
            Tensor: Scalar, mean over images, not positive.
        """
        size = tuple(images.shape[-2:])
        if tuple(labels.shape[-2:]) != size:
            raise ValueError(
                f'labels of {tuple(labels.shape[-2:])} pixels do not fit images of {size}'
            )
        with torch.autocast(logits.device.type, enabled=False):
            logits = logits.float()
            if tuple(logits.shape[-2:]) != size:
                logits = F.interpolate(logits, size=size, mode='bilinear', align_corners=False)
            probs = self._resize(logits.softmax(1), 'bilinear')
            images = self._resize(images.detach().float(), 'nearest')
            labels = self._resize(labels[:, None].float(), 'nearest')[:, 0]
            inside = (
                torch.ones_like(labels)
                if boxes is None
                else self._resize(box_mask(boxes, size)[:, None].float(), 'nearest')[:, 0]
            )
            gate = reliability_gate(probs.detach(), inside, labels, self.ignore_index)
            scores = probs * inside[:, None]
            if tags is None:
                energy = self._energy(scores, gate, images)
            else:
                present = F.pad(tags > 0, (1, 0), value=True)
                # one image at a time: each has its own present classes
                energies = [
                    self._energy(scores[i : i + 1, present[i]], gate[i : i + 1], images[i : i + 1])
                    for i in range(len(scores))
                ]
                energy = torch.stack(energies).sum() / len(energies)
            return energy * (self.loss_weight * self.weight * self.gain)

    def _resize(self, maps: Tensor, mode: str) -> Tensor:
        if self.scale_factor == 1:
            return maps
        align_corners = False if mode == 'bilinear' else None
        return F.interpolate(
            maps, scale_factor=self.scale_factor, mode=mode, align_corners=align_corners
        )

    def _energy(self, scores: Tensor, gate: Tensor, images: Tensor) -> Tensor:
        return dense_energy(
            scores,
            gate,
            images,
            sigma_rgb=self.sigma_rgb,
            sigma_xy=self.sigma_xy * self.scale_factor,
            kernel=self.kernel,
            block=self.block,
        )

    def extra_repr(self) -> str:
        return (
            f'weight={self.weight}, sigma_rgb={self.sigma_rgb}, sigma_xy={self.sigma_xy}, '
            f'scale_factor={self.scale_factor}, '
            f'gain={self.gain}, kernel={self.kernel!r}'
        )
