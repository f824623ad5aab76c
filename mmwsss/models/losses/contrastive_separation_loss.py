"""Contrast between reliably labelled pixels of an image, which separates classes that always occur
together.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mmwsss.functional.pseudo_labels import box_mask
from mmwsss.functional.reliability import reliability
from mmwsss.functional.vectors import unit_vectors
from mmwsss.registry import MODELS


@MODELS.register_module()
class ContrastiveSeparationLoss(nn.Module):
    """Contrastive separation of CAM vectors (CSC), CoSA Eq. 9-10.

    Omega holds the pixels whose perplexity is at most ``epsilon``. The positives of an anchor in
    Omega are the other pixels of Omega with the same label in the same image, the negatives are
    those with another label (background is a label). The loss of an anchor is the mean over its
    positives of ``-log(L_p / (L_p + sum over negatives of L_n))``, ``L = exp(similarity /
    temperature)``; then the mean over anchors that have both, and over images that have anchors, is
    taken. Without any anchor the loss is 0, connected to the graph. Both ends of a pair get a
    gradient. The loss is computed in float32, or in float64 for float64 maps, also under AMP.

    The paper leaves similarity, temperature, resolution and form of the maps open: the defaults are
    choices of this project (raw signed maps of all classes at the resolution of the network,
    cosine, temperature 0.5).

    Args:
        temperature (float): Temperature of the similarity.
        similarity (str): ``'cosine'`` or ``'dot'``.
        epsilon (float): Largest perplexity of a reliable pixel.
        alpha, beta (float): See :func:`mmwsss.functional.reliability.reliability`.
        num_anchors (int, optional): Largest number of anchors per image, drawn at random, which
            bounds the memory on fine grids and is unbiased. All pixels remain positives and
            negatives. Default: every pixel of Omega is an anchor.
    """

    def __init__(
        self,
        temperature: float = 0.5,
        *,
        similarity: str = 'cosine',
        epsilon: float = 1.0,
        alpha: float = 0.8,
        beta: float = 1.0,
        num_anchors: int | None = None,
    ) -> None:
        super().__init__()
        if similarity not in ('cosine', 'dot'):
            raise ValueError(f"similarity must be 'cosine' or 'dot', got {similarity!r}")
        if temperature <= 0 or epsilon <= 0:
            raise ValueError(
                f'temperature and epsilon must be positive, got {temperature} and {epsilon}'
            )
        if num_anchors is not None and num_anchors < 1:
            raise ValueError(f'num_anchors must be at least 1, got {num_anchors}')
        reliability(
            torch.zeros(1), 0.5, alpha=alpha, beta=beta
        )  # reports an invalid option at construction
        self.temperature, self.similarity, self.epsilon = temperature, similarity, epsilon
        self.alpha, self.beta, self.num_anchors = alpha, beta, num_anchors

    def sure_pixels(
        self, confidence: Tensor, threshold: Tensor | float, boxes: Tensor | None = None
    ) -> Tensor:
        """Omega, (B,h,w) bool, of nu (B,h,w) and xi; ``boxes`` (B,4) in cells of (h,w), see
        :meth:`forward`.
        """
        sure = (
            reliability(confidence, threshold, alpha=self.alpha, beta=self.beta) * self.epsilon >= 1
        )
        return sure if boxes is None else sure & box_mask(boxes, sure.shape[-2:])

    def forward(
        self,
        cams: Tensor,
        labels: Tensor,
        confidence: Tensor,
        threshold: float | Tensor,
        boxes: Tensor | None = None,
    ) -> Tensor:
        """Scalar loss.

        Args:
            cams (Tensor): (B,C,h,w) raw maps of the network that is trained.
            labels (Tensor): (B,h,w) integers, 0 background.
            confidence (Tensor): nu, (B,h,w) in [0,1], from which the labels were made.
            threshold (float | Tensor): xi.
            boxes (Tensor, optional): (B,4) y0, y1, x0, x1 of the cells that the image covers; all
                cells by default.
        """
        labels, sure = labels.flatten(1), self.sure_pixels(confidence, threshold, boxes).flatten(1)
        with torch.autocast(cams.device.type, enabled=False):
            vectors = cams.flatten(2).transpose(1, 2)
            if self.similarity == 'cosine':
                vectors = unit_vectors(vectors)
            vectors = vectors.to(torch.promote_types(vectors.dtype, torch.float32))
            anchors = self._anchors(sure)
            means, has = zip(
                *(self._image(*values) for values in zip(vectors, labels, sure, anchors))
            )
            return torch.stack(means).sum() / torch.stack(has).sum().clamp(min=1)

    def anchor_terms(
        self, vectors: Tensor, labels: Tensor, sure: Tensor, anchors: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Terms (A,) of the anchors of an image, and flags of the terms that count.

        Args:
            vectors (Tensor): (N,C).
            labels (Tensor): (N,).
            sure (Tensor): (N,) bool.
            anchors (Tensor): (A,) indices.
        """
        similarity = vectors[anchors] @ vectors.t() / self.temperature
        same = labels[anchors, None] == labels
        positive, negative = same & sure, ~same & sure
        # an anchor is not its own positive
        positive[torch.arange(len(anchors), device=anchors.device), anchors] = False
        valid = sure[anchors] & positive.any(1) & negative.any(1)
        # rows that do not count keep finite entries, because the gradient of log 0 would be NaN
        others = similarity.masked_fill(~(negative | ~valid[:, None]), -torch.inf).logsumexp(
            1, keepdim=True
        )
        # -log(e^s / (e^s + sum of the others)) = log(1 + e^(log of the sum - s))
        terms = F.softplus(others - similarity)
        return torch.where(positive, terms, 0).sum(1) / positive.sum(1).clamp(min=1), valid

    def _image(
        self, vectors: Tensor, labels: Tensor, sure: Tensor, anchors: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Mean over the anchors of an image (0, connected to the graph, if there are none), and
        whether there are any.
        """
        terms, valid = self.anchor_terms(vectors, labels, sure, anchors)
        return torch.where(valid, terms, 0).sum() / valid.sum().clamp(
            min=1
        ) + 0 * vectors.sum(), valid.any()

    def _anchors(self, sure: Tensor) -> list[Tensor]:
        """Indices of the anchors of each image."""
        if self.num_anchors is None:
            # all pixels: those without a reliable label do not count
            return [torch.arange(sure.shape[1], device=sure.device)] * len(sure)
        order = torch.rand(sure.shape, device=sure.device).masked_fill(~sure, 2).argsort(1)
        return list(order[:, : self.num_anchors])

    def extra_repr(self) -> str:
        return (
            f'temperature={self.temperature}, similarity={self.similarity!r}, '
            f'epsilon={self.epsilon}, alpha={self.alpha}, '
            f'beta={self.beta}'
        )
