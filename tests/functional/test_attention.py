"""Attention on request against an explicit one."""

import itertools

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from mmwsss.functional import attention
from mmwsss.functional.attention import AttentionCollector, AttentionRequest, attend

B, H, T, N, D = 2, 3, 4, 15, 5
PARTS = ('class_to_patch', 'patch_to_patch', 'all')
ALL = [
    AttentionRequest(part, kind=kind, heads=heads)
    for part, kind, heads in itertools.product(PARTS, ('softmax', 'logits'), ('mean', 'all'))
]
ROWS = {'class_to_patch': slice(0, T), 'patch_to_patch': slice(T, None), 'all': slice(None)}
COLUMNS = {'class_to_patch': slice(T, None), 'patch_to_patch': slice(T, None), 'all': slice(None)}


def name(request):
    return f'{request.part}-{request.kind}-{request.heads}'


def qkv(requires_grad=False):
    return [torch.randn(B, H, T + N, D, requires_grad=requires_grad) for _ in range(3)]


def naive(query, key, value, request, key_mask=None):
    """Output and map of one request, one head of one image at a time."""
    outputs, maps = [], []
    for image in range(len(query)):
        for head in range(H):
            logits = query[image, head] @ key[image, head].T / D**0.5
            masked = (
                logits
                if key_mask is None
                else torch.where(key_mask[image][None], torch.full_like(logits, -torch.inf), logits)
            )
            weights = torch.softmax(masked, 1)
            outputs.append(weights @ value[image, head])
            maps.append(
                (weights if request.kind == 'softmax' else logits)[
                    ROWS[request.part], COLUMNS[request.part]
                ]
            )
    maps = torch.stack(maps).unflatten(0, (-1, H))
    return torch.stack(outputs).unflatten(0, (-1, H)), maps.mean(
        1
    ) if request.heads == 'mean' else maps


def half_of_the_patches():
    mask = torch.zeros(B, T + N, dtype=torch.bool)
    mask[:, T:] = torch.rand(B, N) < 0.5
    mask[1, T:] = True
    return mask


@pytest.mark.parametrize('masked', [False, True])
@pytest.mark.parametrize('block_rows', [1, 3, None])
@pytest.mark.parametrize('request_', ALL, ids=name)
def test_each_request(request_, block_rows, masked, monkeypatch):
    if block_rows:
        monkeypatch.setattr(attention, 'BLOCK_BYTES', 1)
        monkeypatch.setattr(attention, 'MIN_BLOCK_ROWS', block_rows)
    mask = half_of_the_patches() if masked else None
    inputs = qkv()
    output, maps = attend(*inputs, [request_], num_class_tokens=T, key_mask=mask)
    expected, expected_map = naive(*inputs, request_, mask)
    torch.testing.assert_close(output, expected)
    torch.testing.assert_close(maps[0], expected_map)


@pytest.mark.parametrize('num_patches', [15, 28, 29, 100])
def test_all_requests_at_once_block_by_block(num_patches, monkeypatch):
    query, key, value = (torch.randn(B, H, T + num_patches, D) for _ in range(3))
    whole = attend(query, key, value, ALL, num_class_tokens=T)
    monkeypatch.setattr(attention, 'BLOCK_BYTES', 1)
    blocks = attend(query, key, value, ALL, num_class_tokens=T)
    torch.testing.assert_close(blocks[0], whole[0])
    for ours, reference, request in zip(blocks[1], whole[1], ALL):
        torch.testing.assert_close(ours, reference)
        torch.testing.assert_close(ours, naive(query, key, value, request)[1])


@pytest.mark.parametrize('masked', [False, True])
@pytest.mark.parametrize(
    'requests',
    [[request] for request in ALL] + [ALL, []],
    ids=[*map(name, ALL), 'everything', 'nothing'],
)
def test_gradients(requests, masked):
    mask = half_of_the_patches() if masked else None
    inputs = qkv(requires_grad=True)
    output, maps = attend(*inputs, requests, num_class_tokens=T, key_mask=mask)
    references = [naive(*inputs, request, mask) for request in (requests or ALL[:1])]
    weights = [torch.randn_like(part) for part in (output, *maps)]
    ours = torch.autograd.grad(
        sum((part * weight).sum() for part, weight in zip((output, *maps), weights)),
        inputs,
        allow_unused=True,
    )
    wanted = (references[0][0], *(reference for _, reference in references[: len(maps)]))
    expected = torch.autograd.grad(
        sum((part * weight).sum() for part, weight in zip(wanted, weights)), inputs
    )
    for gradient, reference in zip(ours, expected):
        torch.testing.assert_close(gradient, reference, rtol=1e-4, atol=1e-5)


def test_dropout_changes_the_values_only():
    inputs = qkv()
    request = AttentionRequest('patch_to_patch')
    plain = attend(*inputs, [request], num_class_tokens=T)
    dropped = attend(*inputs, [request], num_class_tokens=T, dropout=0.5)
    torch.testing.assert_close(dropped[1][0], plain[1][0])
    assert not torch.allclose(dropped[0], plain[0])


def test_a_request_made_twice():
    inputs = qkv()
    request = AttentionRequest('all', reduce='sum')
    collector = AttentionCollector([request, request], 3)
    for layer in range(3):
        collector.add(layer, attend(*inputs, collector.wanted(layer), num_class_tokens=T)[1])
    expected = naive(*inputs, request)[1]
    first, second = attend(*inputs, [request, request], num_class_tokens=T)[1]
    torch.testing.assert_close(first, expected)
    torch.testing.assert_close(second, expected)
    first, second = collector.result()
    torch.testing.assert_close(first, 3 * expected)
    torch.testing.assert_close(second, 3 * expected)


@pytest.mark.parametrize('layers', [None, 1, 2, 9])
@pytest.mark.parametrize('with_grad', [False, True])
def test_collector(layers, with_grad):
    maps = [torch.rand(2, 3, 4, dtype=torch.float16, requires_grad=with_grad) for _ in range(4)]
    requests = [
        AttentionRequest('class_to_patch', layers=layers, reduce=reduce)
        for reduce in ('sum', 'mean', 'stack')
    ]
    collector = AttentionCollector(requests, 4)
    for layer, new in enumerate(maps):
        collector.add(layer, [new] * len(collector.wanted(layer)))
    read = torch.stack(maps[-layers if layers and layers < 4 else 0 :]).float()
    for result, expected in zip(collector.result(), (read.sum(0), read.mean(0), read)):
        torch.testing.assert_close(result, expected)
        assert result.dtype == torch.float32 and result.requires_grad == with_grad


@pytest.mark.parametrize(
    'wrong',
    [
        dict(part='patch'),
        dict(part='all', kind='raw'),
        dict(part='all', heads='first'),
        dict(part='all', reduce='max'),
        dict(part='all', layers=0),
    ],
)
def test_unknown_requests(wrong):
    with pytest.raises(ValueError, match='AttentionRequest'):
        AttentionRequest(**wrong)


# Gradients through the maps -----------------------------------------------------------------------


@pytest.mark.parametrize('masked', [False, True])
@pytest.mark.parametrize(
    'block_bytes, block_rows',
    [(1, 1), (1, 4), (6000, 32), (12000, 32), (20000, 32)],
    ids=['row', 'rows', 'two heads', 'one image', 'all images'],
)
@pytest.mark.parametrize('heads', ['mean', 'all'])
def test_gradients_block_by_block(heads, block_bytes, block_rows, masked, monkeypatch):
    """Of the output and of all maps at once, in float64, as those of explicit attention."""
    monkeypatch.setattr(attention, 'BLOCK_BYTES', block_bytes)
    monkeypatch.setattr(attention, 'MIN_BLOCK_ROWS', block_rows)
    inputs = [tensor.double().detach().requires_grad_() for tensor in qkv()]
    mask = half_of_the_patches() if masked else None
    requests = [AttentionRequest(part, heads=heads) for part in PARTS]
    output, maps = attend(*inputs, requests, num_class_tokens=T, key_mask=mask)
    expected, expected_maps = (
        naive(*inputs, requests[0], mask)[0],
        [naive(*inputs, request, mask)[1] for request in requests],
    )
    factors = [torch.randn_like(tensor) for tensor in (expected, *expected_maps)]
    for ours, reference in (
        ((output, *maps), (expected, *expected_maps)),
        (maps[1:2], expected_maps[1:2]),
        ((output,), (expected,)),
    ):
        chosen = (
            factors
            if len(ours) > 1
            else [torch.ones_like(ours[0]) * torch.arange(ours[0].shape[-1])]
        )
        grads = [
            torch.autograd.grad(
                sum((tensor * factor).sum() for tensor, factor in zip(side, chosen)),
                inputs,
                retain_graph=True,
                allow_unused=True,
                materialize_grads=True,
            )
            for side in (ours, reference)
        ]
        for one, two in zip(*grads):
            torch.testing.assert_close(one, two, rtol=1e-9, atol=1e-12)


def test_gradients_keep_no_matrix_per_head():
    inputs = [torch.randn(1, 6, T + 100, 8, requires_grad=True) for _ in range(3)]
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(
        lambda tensor: kept.append(tensor.numel()) or tensor, lambda tensor: tensor
    ):
        output, (affinity,) = attend(
            *inputs, [AttentionRequest('patch_to_patch')], num_class_tokens=T
        )
    assert max(kept) == inputs[0].numel()
    (output.sum() + affinity.square().sum()).backward()
    assert all(torch.isfinite(tensor.grad).all() and tensor.grad.any() for tensor in inputs[:2])


def test_gradients_in_bfloat16():
    """Half-precision inputs: maps in float32, gradients near those of float32."""
    inputs = qkv()
    grads = []
    for dtype in (torch.float32, torch.bfloat16):
        own = [tensor.detach().to(dtype).requires_grad_() for tensor in inputs]
        output, (affinity,) = attend(*own, [AttentionRequest('patch_to_patch')], num_class_tokens=T)
        assert affinity.dtype == torch.float32 and output.dtype == dtype
        loss = (affinity * torch.linspace(0, 3, N)).sum() + (
            output.float() * torch.linspace(0, 1, D)
        ).sum()
        grads.append(torch.autograd.grad(loss, own))
    for one, two in zip(*grads):
        assert two.dtype == torch.bfloat16
        torch.testing.assert_close(one, two.float(), rtol=0.1, atol=0.05)


def test_maps_with_dropout_are_not_dropped():
    inputs = qkv(requires_grad=True)
    _, (affinity,) = attend(
        *inputs, [AttentionRequest('patch_to_patch')], num_class_tokens=T, dropout=0.5
    )
    torch.testing.assert_close(affinity, naive(*inputs, AttentionRequest('patch_to_patch'))[1])


class Largest(TorchDispatchMode):
    """Number of elements of the largest tensor that an operation returned."""

    elements = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        for item in result if isinstance(result, (tuple, list)) else (result,):
            if isinstance(item, torch.Tensor):
                self.elements = max(self.elements, item.numel())
        return result


@pytest.mark.parametrize('part', PARTS)
@pytest.mark.parametrize('kind', ['softmax', 'logits'])
def test_no_matrix_per_head_lives_without_gradients(part, kind, monkeypatch):
    monkeypatch.setattr(attention, 'BLOCK_BYTES', 1)
    tokens = T + 300
    inputs = [torch.randn(1, 6, tokens, 8) for _ in range(3)]
    with Largest() as seen, torch.no_grad():
        _, (result,) = attend(*inputs, [AttentionRequest(part, kind=kind)], num_class_tokens=T)
    assert (
        seen.elements
        <= max(result.numel(), inputs[0].numel(), 6 * 32 * tokens)
        < 6 * tokens * tokens
    )


# Deferred: queries and keys now, maps when they are needed ----------------------------------------


def patch_affinity(inputs, mode, mask=None):
    """The three affinities from explicit scores."""
    query, key, _ = inputs
    scores = query @ key.transpose(2, 3) / D**0.5
    bias = (
        0.0
        if mask is None
        else torch.zeros(mask.shape).masked_fill(mask, -torch.inf)[:, None, None]
    )
    if mode == 'softmax_all':
        return (scores + bias).softmax(-1)[..., T:, T:].mean(1)
    bias = bias if mask is None else bias[..., T:]
    if mode == 'softmax_patch':
        return (scores[..., T:, T:] + bias).softmax(-1).mean(1)
    return (scores[..., T:, T:].mean(1, keepdim=True) + bias).softmax(-1)[:, 0]


def deferred(inputs, mask=None):
    request = AttentionRequest('all', kind='deferred')
    output, (layer,) = attend(*inputs, [request], num_class_tokens=T, key_mask=mask)
    torch.testing.assert_close(output, naive(*inputs, ALL[0], mask)[0])
    return layer


@pytest.mark.parametrize('masked', [False, True])
@pytest.mark.parametrize('num_maps', [0, 1, D, 2 * D + 1])
@pytest.mark.parametrize('mode', attention.AFFINITY_MODES)
def test_propagation_is_a_product_with_the_affinity(mode, num_maps, masked):
    """More maps than a head is wide go in parts."""
    mask = half_of_the_patches() if masked else None
    if masked:
        mask[1, -1] = False
    inputs, values = qkv(), torch.rand(B, num_maps, N)
    layer = deferred(inputs, mask)
    affinity = patch_affinity(inputs, mode, mask)
    torch.testing.assert_close(layer.affinity(mode), affinity)
    torch.testing.assert_close(layer.propagate(values, mode), values @ affinity.transpose(1, 2))


def test_deferred_logits_and_their_gradient():
    inputs = qkv(requires_grad=True)
    request = AttentionRequest('patch_to_patch', kind='logits')
    logits = deferred(inputs).logits()
    expected = naive(*inputs, request)[1]
    torch.testing.assert_close(logits, expected)
    weight = torch.randn_like(logits)
    for ours, reference in zip(
        torch.autograd.grad((logits * weight).sum(), inputs[:2]),
        torch.autograd.grad((expected * weight).sum(), inputs[:2]),
    ):
        torch.testing.assert_close(ours, reference)


@pytest.mark.parametrize('kind', ['logits', 'deferred'])
def test_no_matrix_per_head_is_kept_for_the_gradient(kind):
    tokens, kept = T + 60, []
    inputs = [torch.randn(1, 4, tokens, 8, requires_grad=True) for _ in range(3)]
    with torch.autograd.graph.saved_tensors_hooks(
        lambda tensor: kept.append(tensor.numel()) or tensor, lambda tensor: tensor
    ):
        attend(*inputs, [AttentionRequest('patch_to_patch', kind=kind)], num_class_tokens=T)
    assert 0 < max(kept) <= inputs[0].numel()


def test_deferred_layers_are_collected_in_order():
    request = AttentionRequest('all', layers=2, kind='deferred')
    collector = AttentionCollector([request, AttentionRequest('all')], 3)
    layers = [attend(*qkv(), collector.wanted(index), num_class_tokens=T)[1] for index in range(3)]
    for index, maps in enumerate(layers):
        collector.add(index, maps)
    result, _ = collector.result()
    assert isinstance(result, tuple) and [
        layer is maps[0] for layer, maps in zip(result, layers[1:])
    ] == [True, True]
