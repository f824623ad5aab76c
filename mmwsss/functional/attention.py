"""Self-attention that hands out exactly the maps it is asked for, block of query rows by block of query rows.

Shapes: B batch, H heads, S = T + N tokens (T class tokens first, N patch tokens), d head width.
"""
from dataclasses import dataclass

import torch
from torch.nn import functional as F

# Scores of this many bytes are alive at a time when maps are read without gradients: about one L2 cache.
BLOCK_BYTES = 4 << 20
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
    softmax_wanted = [request for request in dict.fromkeys(requests) if request.kind == 'softmax']
    # A few class rows are cheaper to recompute than to leave the fused kernel for.
    few_rows = all(request.part == 'class_to_patch' for request in softmax_wanted)
    query_scaled = query * query.shape[-1] ** -0.5  # scaled first: the product of half-precision scores could overflow
    key_t = key.transpose(-2, -1)

    def read_block(request, weights, rows):
        row_slice, column_slice = request.slices(num_class_tokens)
        start, stop, _ = row_slice.indices(query.shape[2])
        inside = slice(max(start, rows.start) - rows.start, max(min(stop, rows.stop) - rows.start, 0))
        part = weights[:, :, inside, column_slice]
        return part.mean(1) if request.heads == 'mean' else part

    def softmax_rows(rows):
        scores = query_scaled[:, :, rows] @ key_t
        return (scores if bias is None else scores + bias).softmax(-1)

    if softmax_wanted and not few_rows:
        keep_graph = torch.is_grad_enabled() and query.requires_grad
        num_tokens = query.shape[2]
        row_bytes = query.shape[0] * query.shape[1] * num_tokens * query.element_size()
        step = num_tokens if keep_graph else min(num_tokens, max(MIN_BLOCK_ROWS, BLOCK_BYTES // row_bytes))
        outputs, blocks = [], {request: [] for request in softmax_wanted}
        for start in range(0, num_tokens, step):
            rows = slice(start, min(start + step, num_tokens))
            weights = softmax_rows(rows)
            outputs.append(F.dropout(weights, dropout) @ value)
            for request in softmax_wanted:
                blocks[request].append(read_block(request, weights, rows))
        output = torch.cat(outputs, 2)
        maps = {request: torch.cat(parts, -2) for request, parts in blocks.items()}
    else:
        output = F.scaled_dot_product_attention(query, key, value, attn_mask=bias, dropout_p=dropout)
        class_rows = slice(0, num_class_tokens)
        maps = {request: read_block(request, softmax_rows(class_rows), class_rows) for request in softmax_wanted}

    for request in requests:
        if request.kind == 'logits':
            maps[request] = _logits(query_scaled, key, request, num_class_tokens)
    return output, [maps[request] for request in requests]


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
