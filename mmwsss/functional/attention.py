"""Self-attention that returns exactly the maps that are requested, computed in blocks of query
rows.

Shapes: B batch, H heads, S = T + N + R tokens (T class tokens first, N patch tokens, R registers
last), d head width.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from .precision import at_least_float32

# Bytes of scores that are held at a time when maps are read: on a CPU about one head of an image,
# which is enough for efficient products and fits in the cache; on an accelerator all heads of an
# image.
BLOCK_BYTES = 4 << 20
ACCELERATOR_BLOCK_BYTES = 256 << 20
MIN_BLOCK_ROWS = 32
AFFINITY_MODES = ('softmax_all', 'softmax_patch', 'softmax_logit')


@dataclass(frozen=True)
class AttentionRequest:
    """Request for attention maps of a transformer.

    Attributes:
        part (str): ``'class_to_patch'`` (T,N), ``'patch_to_patch'`` (N,N) or ``'all'`` (T+N,T+N);
            rows are queries. Registers are left out of every part.
        layers (int | None): The last ``layers`` layers; None for all.
        kind (str): ``'softmax'`` over all S keys, not renormalised after slicing; ``'logits'``,
            the scaled scores; or ``'deferred'``, one :class:`DeferredAttention` per layer in a
            tuple, for maps that are only known after the network has run (all other attributes
            except ``layers`` are then ignored).
        heads (str): ``'mean'`` over heads, or ``'all'`` to keep them.
        reduce (str): ``'sum'`` or ``'mean'`` over layers, ``'stack'`` for a leading layer axis, or
            ``'list'`` for a tuple with a map per layer, which needs no copy.
    """

    part: str
    layers: int | None = None
    kind: str = 'softmax'
    heads: str = 'mean'
    reduce: str = 'sum'

    def __post_init__(self) -> None:
        for name, allowed in (
            ('part', ('class_to_patch', 'patch_to_patch', 'all')),
            ('kind', ('softmax', 'logits', 'deferred')),
            ('heads', ('mean', 'all')),
            ('reduce', ('sum', 'mean', 'stack', 'list')),
        ):
            if getattr(self, name) not in allowed:
                raise ValueError(
                    f'AttentionRequest.{name} must be one of {allowed}, got {getattr(self, name)!r}'
                )
        if self.layers is not None and self.layers < 1:
            raise ValueError(f'AttentionRequest.layers must be at least 1, got {self.layers}')

    def first_layer(self, num_layers: int) -> int:
        """Index of the first layer that is read."""
        return 0 if self.layers is None else max(num_layers - self.layers, 0)

    def slices(self, num_class_tokens: int, num_registers: int = 0) -> tuple[slice, slice]:
        """Row and column slices of the part."""
        end = -num_registers or None
        patches, classes = slice(num_class_tokens, end), slice(0, num_class_tokens)
        return {
            'class_to_patch': (classes, patches),
            'patch_to_patch': (patches, patches),
            'all': (slice(0, end), slice(0, end)),
        }[self.part]


def attend(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    requests: Sequence[AttentionRequest],
    *,
    num_class_tokens: int,
    num_registers: int = 0,
    key_mask: Tensor | None = None,
    dropout: float = 0.0,
) -> tuple[Tensor, list[Any]]:
    """Scaled dot-product attention and the requested maps.

    Without requests the fused kernel runs. With requests, only one block of query rows of the
    scores is held at a time, and no map is larger than those returned; where gradients are kept,
    the backward pass recomputes the scores block by block.

    Args:
        query, key, value (Tensor): (B,H,S,d).
        requests (Sequence[AttentionRequest]): The maps to return. ``layers`` and ``reduce`` are
            not read here: the caller applies them.
        num_class_tokens (int): T.
        num_registers (int): R.
        key_mask (Tensor, optional): (B,S) bool, True where a key must not be attended to.
        dropout (float): Attention dropout, applied to the values only, not to the maps.

    Returns:
        tuple: output (B,H,S,d), and a list with one map per request: (B,rows,columns), or
            (B,H,rows,columns) where ``heads='all'``, or a :class:`DeferredAttention`.
    """
    bias = None
    if key_mask is not None:
        bias = torch.zeros_like(key_mask, dtype=query.dtype)
        bias = bias.masked_fill(key_mask, float('-inf'))[:, None, None]
    if not requests:
        return F.scaled_dot_product_attention(
            query, key, value, attn_mask=bias, dropout_p=dropout
        ), []
    softmax_wanted = [request for request in dict.fromkeys(requests) if request.kind == 'softmax']
    # the query is scaled first because the product could overflow in half precision
    query_scaled = query * query.shape[-1] ** -0.5
    if all(request.part == 'class_to_patch' for request in softmax_wanted):
        output = F.scaled_dot_product_attention(
            query, key, value, attn_mask=bias, dropout_p=dropout
        )
        # Recomputing a few class rows is cheaper than not using the fused kernel.
        maps: dict[AttentionRequest, Any] = {}
        if softmax_wanted:
            class_scores = query_scaled[:, :, :num_class_tokens] @ key.transpose(-2, -1)
            weights = _softmax(class_scores, bias)
            maps = {
                request: _read(request, weights, num_class_tokens, num_registers)
                for request in softmax_wanted
            }
    # the backward pass needs the dropout mask
    elif torch.is_grad_enabled() and dropout > 0 and query.requires_grad:
        weights = _softmax(query_scaled @ key.transpose(-2, -1), bias)
        output = F.dropout(weights, dropout) @ value
        maps = {
            request: _read(request, weights, num_class_tokens, num_registers)
            for request in softmax_wanted
        }
    elif torch.is_grad_enabled() and any(tensor.requires_grad for tensor in (query, key, value)):
        output, *read = _AttentionWithMaps.apply(
            query_scaled, key, value, bias, tuple(softmax_wanted), (num_class_tokens, num_registers)
        )
        maps = dict(zip(softmax_wanted, read))
    else:
        output, maps = _attend_in_blocks(
            query_scaled,
            key,
            value,
            softmax_wanted,
            (num_class_tokens, num_registers),
            bias,
            dropout,
        )

    for request in requests:
        if request.kind == 'logits':
            maps[request] = _logits(query_scaled, key, request, num_class_tokens, num_registers)
        elif request.kind == 'deferred':
            maps[request] = DeferredAttention(query, key, num_class_tokens, bias, num_registers)
    return output, [maps[request] for request in requests]


def map_dtype(dtype: torch.dtype) -> torch.dtype:
    """Data type of the maps that are read from attention of the given type: at least float32."""
    return torch.promote_types(dtype, torch.float32)


def _softmax(scores: Tensor, bias: Tensor | None) -> Tensor:
    return (scores if bias is None else scores + bias).softmax(-1)


def _read(
    request: AttentionRequest, weights: Tensor, num_class_tokens: int, num_registers: int
) -> Tensor:
    """Map of a request from all weights (B,H,S,S)."""
    row_slice, column_slice = request.slices(num_class_tokens, num_registers)
    part = weights[..., row_slice, column_slice]
    return part.mean(1) if request.heads == 'mean' else part


def _blocks(query: Tensor) -> Iterator[tuple[int | slice, int | slice, slice]]:
    """Blocks in which the scores of ``query`` (B,H,S,d) are computed: (images, heads, rows), where
    the first two are numbers or slices.

    A block of several images contains all of their heads and rows; a block of several heads belongs
    to one image.
    """
    batch, num_heads, num_tokens, _ = query.shape
    budget = BLOCK_BYTES if query.device.type == 'cpu' else ACCELERATOR_BLOCK_BYTES
    row_bytes = num_tokens * query.element_size()
    # blocks of similar size
    row_step = -(-num_tokens // -(-num_tokens // max(MIN_BLOCK_ROWS, budget // row_bytes)))
    head_step = min(num_heads, max(1, budget // (row_step * row_bytes)))
    image_step = budget // (num_heads * num_tokens * row_bytes)
    if image_step > 1:
        for image in range(0, batch, image_step):
            yield slice(image, image + image_step), slice(0, num_heads), slice(0, num_tokens)
        return
    for image in range(batch):
        for first_head, first_row in product(
            range(0, num_heads, head_step), range(0, num_tokens, row_step)
        ):
            heads = first_head if head_step == 1 else slice(first_head, first_head + head_step)
            yield image, heads, slice(first_row, min(first_row + row_step, num_tokens))


def _shared_rows(rows: slice, asked: slice, num_tokens: int) -> tuple[slice, slice] | None:
    """Rows of a part that lie in a block: their slice in the block and in the part; None if there
    are none.
    """
    part = range(num_tokens)[asked]
    start, stop = max(part.start, rows.start), min(part.stop, rows.stop)
    if start >= stop:
        return None
    return (
        slice(start - rows.start, stop - rows.start),
        slice(start - part.start, stop - part.start),
    )


def _block_bias(bias: Tensor | None, image: int | slice, num_axes: int) -> Tensor | None:
    """Bias (B,1,1,S) of a block of scores with ``num_axes`` axes: 4 for several images, fewer for
    rows of heads of one image.
    """
    if bias is None:
        return None
    return bias[image] if num_axes == 4 else bias[image, 0]


def _attend_in_blocks(
    query_scaled: Tensor,
    key: Tensor,
    value: Tensor,
    requests: Sequence[AttentionRequest],
    num_tokens_apart: tuple[int, int],
    bias: Tensor | None,
    dropout: float,
) -> tuple[Tensor, dict[AttentionRequest, Tensor]]:
    """Output and maps without gradient, computed for some rows of some heads of one image at a
    time, or for several whole images where they are small. ``num_tokens_apart`` is T and R.
    """
    batch, num_heads, num_tokens, width = query_scaled.shape
    # heads side by side, as the projection reads them
    output = value.new_empty(batch, num_tokens, num_heads, width).transpose(1, 2)
    slices = {request: request.slices(*num_tokens_apart) for request in requests}
    maps = {}
    for request in requests:
        size = [len(range(num_tokens)[part]) for part in slices[request]]
        leading = [batch, num_heads] if request.heads == 'all' else [batch]
        maps[request] = query_scaled.new_empty(
            (*leading, *size), dtype=map_dtype(query_scaled.dtype)
        )
    for image, heads, rows in _blocks(query_scaled):
        scores = query_scaled[image, heads, rows] @ key[image, heads].transpose(-2, -1)
        weights = _softmax(scores, _block_bias(bias, image, scores.dim()))
        output[image, heads, rows] = F.dropout(weights, dropout) @ value[image, heads]
        for request, (row_slice, column_slice) in slices.items():
            shared = _shared_rows(rows, row_slice, num_tokens)
            if shared is None:
                continue
            part = weights[..., shared[0], column_slice]
            if request.heads == 'all':
                maps[request][image, heads, shared[1]] = part
                continue
            target = maps[request][image, shared[1]]
            if part.dim() == 4:
                torch.mul(part.sum(1).to(target.dtype), 1 / num_heads, out=target)
                continue
            first, parts = (heads, (part,)) if isinstance(heads, int) else (heads.start, part)
            for number, head in enumerate(parts, first):
                if number == 0:
                    torch.mul(head.to(target.dtype), 1 / num_heads, out=target)
                else:
                    target.add_(head, alpha=1 / num_heads)
    return output, maps


class _AttentionWithMaps(torch.autograd.Function):
    """:func:`_attend_in_blocks` with gradients through output and maps. It keeps query, key and
    value, but no scores.
    """

    @staticmethod
    def forward(
        ctx: Any,
        query_scaled: Tensor,
        key: Tensor,
        value: Tensor,
        bias: Tensor | None,
        requests: tuple[AttentionRequest, ...],
        num_tokens_apart: tuple[int, int],
    ) -> tuple[Tensor, ...]:
        # no weights are kept for the gradient: `backward` recomputes them block by block
        output, maps = _attend_in_blocks(
            query_scaled, key, value, requests, num_tokens_apart, bias, 0.0
        )
        ctx.save_for_backward(query_scaled, key, value, bias)
        ctx.requests, ctx.num_tokens_apart = requests, num_tokens_apart
        ctx.set_materialize_grads(False)
        return output, *(maps[request] for request in requests)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(
        ctx: Any, grad_output: Tensor | None, *grad_maps: Any
    ) -> tuple[Tensor | None, ...]:
        query, key, value, bias = ctx.saved_tensors
        num_heads, num_tokens = query.shape[1:3]
        grads = tuple(
            torch.zeros(
                tensor.transpose(1, 2).shape, dtype=tensor.dtype, device=tensor.device
            ).transpose(1, 2)
            for tensor in (query, key, value)
        )
        grad_query, grad_key, grad_value = grads
        wanted = [
            (request, *request.slices(*ctx.num_tokens_apart), grad)
            for request, grad in zip(ctx.requests, grad_maps)
            if grad is not None
        ]
        if grad_output is None:
            grad_output = torch.zeros_like(value)
        for image, heads, rows in _blocks(query):
            block_query, block_key, block_value = (
                query[image, heads, rows],
                key[image, heads],
                value[image, heads],
            )
            block_grad = grad_output[image, heads, rows]
            scores = (block_query @ block_key.transpose(-2, -1)).to(map_dtype(query.dtype))
            weights = _softmax(scores, _block_bias(bias, image, scores.dim()))
            grad = (block_grad @ block_value.transpose(-2, -1)).to(weights.dtype)
            for request, row_slice, column_slice, grad_map in wanted:
                shared = _shared_rows(rows, row_slice, num_tokens)
                if shared is not None and request.heads == 'all':
                    grad[..., shared[0], column_slice] += grad_map[image, heads, shared[1]]
                elif shared is not None:
                    part = grad_map[image, shared[1]]
                    grad[..., shared[0], column_slice].add_(
                        part[:, None] if grad.dim() == 4 else part, alpha=1 / num_heads
                    )
            grad_value[image, heads] += weights.to(block_grad.dtype).transpose(-2, -1) @ block_grad
            # derivative of the softmax of each row
            grad -= (grad * weights).sum(-1, keepdim=True)
            grad = grad.mul_(weights).to(query.dtype)
            grad_query[image, heads, rows] = grad @ block_key
            grad_key[image, heads] += grad.transpose(-2, -1) @ block_query
        return *grads, None, None, None


def _logits(
    query_scaled: Tensor,
    key: Tensor,
    request: AttentionRequest,
    num_class_tokens: int,
    num_registers: int,
) -> Tensor:
    """Scaled scores; their head mean is one product of the concatenated heads, so that no per-head
    matrix is formed.
    """
    rows, columns = request.slices(num_class_tokens, num_registers)
    query, key = query_scaled[:, :, rows], key[:, :, columns]
    if request.heads == 'all':
        return query @ key.transpose(-2, -1)
    num_heads = query.shape[1]
    return (
        query.transpose(1, 2).flatten(2)
        @ key.transpose(1, 2).flatten(2).transpose(1, 2)
        / num_heads
    )


class DeferredAttention(NamedTuple):
    """Queries and keys of one layer, from which maps are computed later. The gradient of the layer
    keeps both in any case.

    No per-head matrix is formed: propagation runs in the fused kernel, and logits are one product
    of the concatenated heads.

    Attributes:
        query, key (Tensor): (B,H,S,d), not scaled.
        num_class_tokens (int): T.
        bias (Tensor | None): (B,1,1,S), added to the scores; -inf at masked keys.
        num_registers (int): R.
    """

    query: torch.Tensor
    key: torch.Tensor
    num_class_tokens: int
    bias: torch.Tensor | None = None
    num_registers: int = 0

    def logits(self) -> Tensor:
        """Head mean of the scaled scores between patches (B,N,N), with gradient (AReAM's
        A-tilde).
        """
        return _logits(
            self.query * self.query.shape[-1] ** -0.5,
            self.key,
            AttentionRequest('patch_to_patch', kind='logits'),
            self.num_class_tokens,
            self.num_registers,
        )

    def affinity(self, mode: str = 'softmax_all') -> Tensor:
        """Patch affinity P (B,N,N) in [0,1], computed head by head in float32 or better.

        Args:
            mode (str): ``'softmax_all'``: softmax over all S keys, head mean, patch block (what
                the layer applies; rows sum to less than 1); ``'softmax_patch'``: softmax over the N
                patch keys, head mean; ``'softmax_logit'``: softmax of the head mean of the scores
                between patches.
        """
        query, key, _, bias, scale, patches = self._operands(mode)
        total: Any = 0
        for head in range(query.shape[1]):
            scores = (query[:, head] * scale) @ key[:, head].transpose(-2, -1)
            weights = _softmax(
                scores.to(torch.promote_types(scores.dtype, torch.float32)),
                None if bias is None else bias[:, 0],
            )
            total = total + weights[..., patches]
        return total / query.shape[1]

    @torch.no_grad()
    def propagate(self, values: Tensor, mode: str = 'softmax_all') -> Tensor:
        """Propagate maps along the affinity, ``out[q] = sum_k P[q,k] values[k]``, without forming
        P; no gradient.

        Args:
            values (Tensor): (B,K,N), K may be 0.
            mode (str): As for :meth:`affinity`.

        Returns:
            Tensor: (B,K,N), float32 (float64 for float64 queries).
        """
        query, key, skipped, bias, scale, _ = self._operands(mode)
        dtype = torch.promote_types(query.dtype, torch.float32)
        if bias is not None:
            bias = bias.expand(-1, query.shape[1], query.shape[2], -1)
        # the first part is empty, so that zero maps give an empty result
        results = [values.new_empty(len(values), query.shape[2], 0, dtype=dtype)]
        with torch.autocast(query.device.type, enabled=False):
            for part in values.to(query.dtype).transpose(1, 2).split(query.shape[-1], 2):
                # the fused kernel requires values as wide as the keys; all other tokens are zero
                padded = F.pad(part, (0, query.shape[-1] - part.shape[-1], *skipped))[
                    :, None
                ].expand(-1, query.shape[1], -1, -1)
                result = F.scaled_dot_product_attention(
                    query, key, padded, attn_mask=bias, scale=scale
                )
                # the head mean of the products is the product with the head mean of P
                results.append(result[..., : part.shape[-1]].mean(1, dtype=dtype))
        return torch.cat(results, 2).transpose(1, 2)

    def _operands(
        self, mode: str
    ) -> tuple[Tensor, Tensor, tuple[int, int], Tensor | None, float, slice]:
        """Query and key (B,H',.,.), number of keys before and after the patches, bias, scale, and
        position of the patches among the keys.
        """
        patches = slice(self.num_class_tokens, -self.num_registers or None)
        query, key, bias, scale = (
            self.query[:, :, patches],
            self.key,
            self.bias,
            self.query.shape[-1] ** -0.5,
        )
        if mode == 'softmax_all':
            apart = (self.num_class_tokens, self.num_registers)
            return query, key, apart, bias, scale, patches
        if mode not in AFFINITY_MODES:
            raise ValueError(f'affinity mode must be one of {AFFINITY_MODES}, got {mode!r}')
        key, bias = key[:, :, patches], None if bias is None else bias[..., patches]
        if mode == 'softmax_logit':
            scale /= query.shape[1]
            query, key = (operand.transpose(1, 2).flatten(2)[:, None] for operand in (query, key))
        return query, key, (0, 0), bias, scale, slice(None)


class AttentionCollector:
    """Combines the maps of successive layers as requested (sum, mean or stack), in place if no
    gradient is kept.
    """

    def __init__(self, requests: Sequence[AttentionRequest], num_layers: int) -> None:
        self.asked = tuple(requests)
        self.requests = tuple(dict.fromkeys(requests))
        self.num_layers = num_layers
        self.maps: list[Any] = [None] * len(self.requests)

    def wanted(self, layer: int) -> list[AttentionRequest]:
        """Requests that read this layer."""
        return [
            request for request in self.requests if layer >= request.first_layer(self.num_layers)
        ]

    def add(self, layer: int, maps: Sequence[Any]) -> None:
        """Add the maps of :meth:`wanted`, in order."""
        indices = [
            i
            for i, request in enumerate(self.requests)
            if layer >= request.first_layer(self.num_layers)
        ]
        for index, new in zip(indices, maps):
            if self.requests[index].kind == 'deferred':
                self.maps[index] = (*(self.maps[index] or ()), new)
                continue
            new = at_least_float32(new)
            if self.requests[index].reduce in ('stack', 'list'):
                self.maps[index] = [*(self.maps[index] or []), new]
            elif self.maps[index] is None:
                self.maps[index] = new
            elif new.requires_grad:
                self.maps[index] = self.maps[index] + new
            else:
                self.maps[index] += new

    def result(self) -> tuple[Any, ...]:
        """One tensor, or one tuple of :class:`DeferredAttention`, per request."""
        finished = {}
        for request, maps in zip(self.requests, self.maps):
            if request.kind == 'deferred':
                finished[request] = maps
                continue
            if request.reduce == 'stack':
                maps = torch.stack(maps)
            elif request.reduce == 'list':
                maps = tuple(maps)
            elif request.reduce == 'mean':
                maps = maps / (self.num_layers - request.first_layer(self.num_layers))
            finished[request] = maps
        return tuple(finished[request] for request in self.asked)
