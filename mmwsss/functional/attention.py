"""Self-attention that hands out exactly the maps it is asked for, block of query rows by block of query rows.

Shapes: B batch, H heads, S = T + N tokens (T class tokens first, N patch tokens), d head width.
"""
from dataclasses import dataclass
from itertools import product

import torch
from torch.nn import functional as F

# Scores of this many bytes are alive at a time when maps are read without gradients: on a CPU a few hundred rows of one head, which stay
# in the cache and are enough for products at full speed; on an accelerator all heads of an image at once.
BLOCK_BYTES = 1 << 20
ACCELERATOR_BLOCK_BYTES = 256 << 20
MIN_BLOCK_ROWS = 32


@dataclass(frozen=True)
class AttentionRequest:
    """What a caller wants to know of the attention of a transformer.

    Attributes:
        part (str): ``'class_to_patch'`` (T,N), ``'patch_to_patch'`` (N,N) or ``'all'`` (T+N,T+N); rows are queries.
        layers (int | None): The last ``layers`` layers; None for all.
        kind (str): ``'softmax'`` over all T+N keys, not renormalised after slicing; or ``'logits'``, the scaled scores.
        heads (str): ``'mean'`` over heads, or ``'all'`` to keep them.
        reduce (str): ``'sum'`` or ``'mean'`` over layers, or ``'stack'`` for a leading layer axis.
    """
    part: str
    layers: int | None = None
    kind: str = 'softmax'
    heads: str = 'mean'
    reduce: str = 'sum'

    def __post_init__(self):
        for name, allowed in (('part', ('class_to_patch', 'patch_to_patch', 'all')), ('kind', ('softmax', 'logits')),
                              ('heads', ('mean', 'all')), ('reduce', ('sum', 'mean', 'stack'))):
            if getattr(self, name) not in allowed:
                raise ValueError(f'AttentionRequest.{name} must be one of {allowed}, got {getattr(self, name)!r}')
        if self.layers is not None and self.layers < 1:
            raise ValueError(f'AttentionRequest.layers must be at least 1, got {self.layers}')

    def first_layer(self, num_layers):
        """Index of the first layer that is read."""
        return 0 if self.layers is None else max(num_layers - self.layers, 0)

    def slices(self, num_class_tokens):
        """Row and column slices of the part."""
        patches, classes = slice(num_class_tokens, None), slice(0, num_class_tokens)
        return {'class_to_patch': (classes, patches), 'patch_to_patch': (patches, patches),
                'all': (slice(None), slice(None))}[self.part]


def attend(query, key, value, requests, *, num_class_tokens, key_mask=None, dropout=0.):
    """Scaled dot-product attention and the maps asked for.

    Without requests the fused kernel runs. With requests and no gradient, only one block of query rows of the scores
    is alive at a time, and no map larger than the ones returned.

    Args:
        query, key, value (Tensor): (B,H,S,d).
        requests (Sequence[AttentionRequest]): ``layers`` and ``reduce`` are the caller's business, not read here.
        num_class_tokens (int): T.
        key_mask (Tensor, optional): (B,S) bool, True where a key must not be attended to.
        dropout (float): Attention dropout, applied to the values only, not to the maps.

    Returns:
        tuple: output (B,H,S,d), and a list with one map per request: (B,rows,columns), or (B,H,rows,columns) where
        ``heads='all'``.
    """
    bias = None if key_mask is None else torch.zeros_like(key_mask, dtype=query.dtype).masked_fill(key_mask, float('-inf'))[:, None, None]
    if not requests:
        return F.scaled_dot_product_attention(query, key, value, attn_mask=bias, dropout_p=dropout), []
    softmax_wanted = [request for request in dict.fromkeys(requests) if request.kind == 'softmax']
    query_scaled = query * query.shape[-1] ** -0.5  # scaled first: the product of half-precision scores could overflow
    if all(request.part == 'class_to_patch' for request in softmax_wanted):
        output = F.scaled_dot_product_attention(query, key, value, attn_mask=bias, dropout_p=dropout)
        # A few class rows are cheaper to recompute than to leave the fused kernel for.
        weights = _softmax(query_scaled[:, :, :num_class_tokens] @ key.transpose(-2, -1), bias) if softmax_wanted else None
        maps = {request: _read(request, weights, num_class_tokens) for request in softmax_wanted}
    elif torch.is_grad_enabled() and query.requires_grad:
        weights = _softmax(query_scaled @ key.transpose(-2, -1), bias)
        output = F.dropout(weights, dropout) @ value
        maps = {request: _read(request, weights, num_class_tokens) for request in softmax_wanted}
    else:
        output, maps = _attend_in_blocks(query_scaled, key, value, softmax_wanted, num_class_tokens, bias, dropout)

    for request in requests:
        if request.kind == 'logits':
            maps[request] = _logits(query_scaled, key, request, num_class_tokens)
    return output, [maps[request] for request in requests]


def _softmax(scores, bias):
    return (scores if bias is None else scores + bias).softmax(-1)


def _read(request, weights, num_class_tokens):
    """Map of a request from all weights (B,H,S,S)."""
    row_slice, column_slice = request.slices(num_class_tokens)
    part = weights[..., row_slice, column_slice]
    return part.mean(1) if request.heads == 'mean' else part


def _attend_in_blocks(query_scaled, key, value, requests, num_class_tokens, bias, dropout):
    """Output and maps without gradient: some rows of some heads of one image at a time."""
    batch, num_heads, num_tokens, width = query_scaled.shape
    budget = BLOCK_BYTES if query_scaled.device.type == 'cpu' else ACCELERATOR_BLOCK_BYTES
    row_bytes = num_tokens * query_scaled.element_size()
    row_step = -(-num_tokens // -(-num_tokens // max(MIN_BLOCK_ROWS, budget // row_bytes)))  # blocks of about one size
    head_step = min(num_heads, max(1, budget // (row_step * row_bytes)))
    output = value.new_empty(batch, num_tokens, num_heads, width).transpose(1, 2)  # heads side by side, as the projection wants them
    slices = {request: request.slices(num_class_tokens) for request in requests}
    maps = {}
    for request in requests:
        rows, columns = (len(range(num_tokens)[part]) for part in slices[request])
        heads = [num_heads] if request.heads == 'all' else []
        maps[request] = query_scaled.new_zeros((batch, *heads, rows, columns), dtype=torch.float32)
    for image in range(batch):
        for first_head, first_row in product(range(0, num_heads, head_step), range(0, num_tokens, row_step)):
            heads = first_head if head_step == 1 else slice(first_head, first_head + head_step)
            rows = slice(first_row, min(first_row + row_step, num_tokens))
            scores = query_scaled[image, heads, rows] @ key[image, heads].transpose(-2, -1)
            weights = _softmax(scores, None if bias is None else bias[image, 0])
            output[image, heads, rows] = F.dropout(weights, dropout) @ value[image, heads]
            for request, (row_slice, column_slice) in slices.items():
                asked = range(num_tokens)[row_slice]
                start, stop = max(asked.start, rows.start), min(asked.stop, rows.stop)
                if start >= stop:
                    continue
                part = weights[..., start - rows.start:stop - rows.start, column_slice]
                target = maps[request][image, ..., start - asked.start:stop - asked.start, :]
                if request.heads == 'all':
                    target[heads] = part
                else:
                    for head in part.unbind() if part.dim() == 3 else (part, ):
                        target.add_(head, alpha=1 / num_heads)
    return output, maps


def _logits(query_scaled, key, request, num_class_tokens):
    """Scaled scores; their head mean is one product of the concatenated heads, no per-head matrix exists."""
    rows, columns = request.slices(num_class_tokens)
    query, key = query_scaled[:, :, rows], key[:, :, columns]
    if request.heads == 'all':
        return query @ key.transpose(-2, -1)
    num_heads = query.shape[1]
    return query.transpose(1, 2).flatten(2) @ key.transpose(1, 2).flatten(2).transpose(1, 2) / num_heads


class AttentionCollector:
    """Combines the maps of successive layers as each request says (sum, mean or stack), in place where no gradient is kept."""

    def __init__(self, requests, num_layers):
        self.asked = tuple(requests)
        self.requests = tuple(dict.fromkeys(requests))
        self.num_layers = num_layers
        self.maps = [None] * len(self.requests)

    def wanted(self, layer):
        """Requests that read this layer."""
        return [request for request in self.requests if layer >= request.first_layer(self.num_layers)]

    def add(self, layer, maps):
        """Take the maps of :meth:`wanted`, in order."""
        indices = [i for i, request in enumerate(self.requests) if layer >= request.first_layer(self.num_layers)]
        for index, new in zip(indices, maps):
            new = new.float()
            if self.requests[index].reduce == 'stack':
                self.maps[index] = [*(self.maps[index] or []), new]
            elif self.maps[index] is None:
                self.maps[index] = new
            elif new.requires_grad:
                self.maps[index] = self.maps[index] + new
            else:
                self.maps[index] += new

    def result(self):
        """One tensor per request."""
        finished = {}
        for request, maps in zip(self.requests, self.maps):
            if request.reduce == 'stack':
                maps = torch.stack(maps)
            elif request.reduce == 'mean':
                maps = maps / (self.num_layers - request.first_layer(self.num_layers))
            finished[request] = maps
        return tuple(finished[request] for request in self.asked)
