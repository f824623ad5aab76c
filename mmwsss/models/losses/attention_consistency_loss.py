"""Consistency of the attention of two views of an image."""

from collections.abc import Sequence

from torch import Tensor, nn

from mmwsss.functional.views import undo_on_affinity, undo_on_keys
from mmwsss.registry import MODELS


@MODELS.register_module()
class AttentionConsistencyLoss(nn.Module):
    """Mean absolute difference between the attention of an image and that of its view, brought back
    by f^-1 (ACR Eq. 1-2).

    ``'activation'``: class rows over patch columns, mean over B*L*T*N; ``'affinity'``: patch rows
    over patch columns, mean over B*L*N*N. Heads are averaged before; the columns and the corner of
    the class tokens belong to neither term. Both views receive gradients. The paper prints plain
    sums; the mean is the released code's.

    Args:
        term (str): ``'activation'`` or ``'affinity'``.
        mass_preserving (bool): Multiply a resized view's attention by N'/N, so that both views are
            compared as densities.
    """

    def __init__(self, term: str, *, mass_preserving: bool = True) -> None:
        super().__init__()
        if term not in ('activation', 'affinity'):
            raise ValueError(f"term must be 'activation' or 'affinity', got {term!r}")
        self.term = term
        self.mass_preserving = mass_preserving

    def forward(
        self,
        attn1: Tensor,
        attn2: Tensor,
        grid: Sequence[int],
        transform: str | Sequence[str] | list[str] = 'hflip',
        *,
        grid_of_view: Sequence[int] | None = None,
    ) -> Tensor:
        """Scalar loss.

        Args:
            attn1 (Tensor): Softmax attention of the image, (B,L,T+N,T+N), or the slice that the
                term needs: (B,L,T,N) or (B,L,N,N). With heads, (B,L,H,.,.), they are averaged.
            attn2 (Tensor): Attention of the view, in the order of its N' tokens.
            grid (tuple[int]): (h,w) of the image, N = h*w.
            transform (str | tuple[str] | list): Steps that made the view
                (:mod:`mmwsss.functional.views`); a list has those of each of the B images.
            grid_of_view (tuple[int], optional): (h',w'), needed where ``'resize'`` is among the
                steps.

        Raises:
            ValueError: A size does not fit the grid.
        """
        num_patches = grid[0] * grid[1]
        num_class_tokens = attn1.shape[-1] - num_patches
        if num_class_tokens < 0:
            raise ValueError(
                f'attention over {attn1.shape[-1]} tokens is too small for a grid of '
                f'{grid[0]}x{grid[1]}'
            )
        attn1, attn2 = (self._slice(attn, num_class_tokens) for attn in (attn1, attn2))
        undo = undo_on_keys if self.term == 'activation' else undo_on_affinity
        attn2 = undo(
            attn2, grid, transform, grid_of_view=grid_of_view, mass_preserving=self.mass_preserving
        )
        if attn1.shape != attn2.shape:
            raise ValueError(
                f'attention of both views must have one shape, got {tuple(attn1.shape)} and '
                f'{tuple(attn2.shape)}'
            )
        return (attn1 - attn2).abs().mean()

    def _slice(self, attn: Tensor, num_class_tokens: int) -> Tensor:
        """The part that the term compares, with the heads averaged."""
        attn = attn.mean(2) if attn.dim() == 5 else attn
        if num_class_tokens == 0:  # already a slice
            return attn
        rows = (
            slice(num_class_tokens) if self.term == 'activation' else slice(num_class_tokens, None)
        )
        return attn[..., rows, num_class_tokens:]
