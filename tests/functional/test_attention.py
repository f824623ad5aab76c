"""Attention on request against an explicit one."""
import itertools

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from mmwsss.functional import attention
from mmwsss.functional.attention import AttentionCollector, AttentionRequest, attend

B, H, T, N, D = 2, 3, 4, 15, 5
PARTS = ('class_to_patch', 'patch_to_patch', 'all')
ALL = [AttentionRequest(part, kind=kind, heads=heads) for part, kind, heads in
       itertools.product(PARTS, ('softmax', 'logits'), ('mean', 'all'))]
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
            logits = query[image, head] @ key[image, head].T / D ** 0.5
            masked = logits if key_mask is None else torch.where(key_mask[image][None], torch.full_like(logits, -torch.inf), logits)
            weights = torch.softmax(masked, 1)
            outputs.append(weights @ value[image, head])
            maps.append((weights if request.kind == 'softmax' else logits)[ROWS[request.part], COLUMNS[request.part]])
    maps = torch.stack(maps).unflatten(0, (-1, H))
    return torch.stack(outputs).unflatten(0, (-1, H)), maps.mean(1) if request.heads == 'mean' else maps


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
@pytest.mark.parametrize('requests', [[request] for request in ALL] + [ALL, []], ids=[*map(name, ALL), 'everything', 'nothing'])
def test_gradients(requests, masked):
    mask = half_of_the_patches() if masked else None
    inputs = qkv(requires_grad=True)
    output, maps = attend(*inputs, requests, num_class_tokens=T, key_mask=mask)
    references = [naive(*inputs, request, mask) for request in (requests or ALL[:1])]
    weights = [torch.randn_like(part) for part in (output, *maps)]
    ours = torch.autograd.grad(sum((part * weight).sum() for part, weight in zip((output, *maps), weights)), inputs, allow_unused=True)
    wanted = (references[0][0], *(reference for _, reference in references[:len(maps)]))
    expected = torch.autograd.grad(sum((part * weight).sum() for part, weight in zip(wanted, weights)), inputs)
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
    maps = [torch.rand(2, 3, 4, dtype=torch.float64, requires_grad=with_grad) for _ in range(4)]
    requests = [AttentionRequest('class_to_patch', layers=layers, reduce=reduce) for reduce in ('sum', 'mean', 'stack')]
    collector = AttentionCollector(requests, 4)
    for layer, new in enumerate(maps):
        collector.add(layer, [new] * len(collector.wanted(layer)))
    read = torch.stack(maps[-layers if layers and layers < 4 else 0:]).float()
    for result, expected in zip(collector.result(), (read.sum(0), read.mean(0), read)):
        torch.testing.assert_close(result, expected)
        assert result.dtype == torch.float32 and result.requires_grad == with_grad


@pytest.mark.parametrize('wrong', [dict(part='patch'), dict(part='all', kind='raw'), dict(part='all', heads='first'),
                                   dict(part='all', reduce='max'), dict(part='all', layers=0)])
def test_unknown_requests(wrong):
    with pytest.raises(ValueError, match='AttentionRequest'):
        AttentionRequest(**wrong)


class Largest(TorchDispatchMode):
    """Number of elements of the largest tensor that an operation returned."""

    elements = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        for item in result if isinstance(result, (tuple, list)) else (result, ):
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
        _, (result, ) = attend(*inputs, [AttentionRequest(part, kind=kind)], num_class_tokens=T)
    assert seen.elements <= max(result.numel(), inputs[0].numel(), 6 * 32 * tokens) < 6 * tokens * tokens
