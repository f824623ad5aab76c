"""AReAM's equations against golden vectors (slow float64 loops) and naive forms."""

import math

import pytest
import torch
import torch.nn.functional as F

from mmwsss.functional import reactivation
from mmwsss.functional.attention import AFFINITY_MODES, DeferredAttention
from mmwsss.functional.par import pixel_adaptive_refinement
from mmwsss.functional.pseudo_labels import labels_eq16, labels_two_pass
from tests.golden_tensors import golden_tensors

EXACT = dict(rtol=1e-9, atol=1e-12)


@pytest.fixture(scope='module')
def data():
    return golden_tensors('aream')


def layers_of(logits, num_class_tokens=3, dtype=torch.float64):
    """Layers with these scores (B,L,H,S,S): queries that select one key each."""
    size = logits.shape[-1]
    key = torch.eye(size, dtype=dtype).expand(*logits[:, 0].shape)
    return [
        DeferredAttention((layer * size**0.5).to(dtype), key, num_class_tokens)
        for layer in logits.unbind(1)
    ]


def masked_cam(data):
    return data['cam'] * data['label'][:, :, None, None]


@pytest.mark.parametrize('mode', AFFINITY_MODES)
def test_chain_of_each_affinity(data, mode):
    """Eq. 7-12 and, with equal weights, Eq. 4-5."""
    golden = {
        key: data[key if mode == 'softmax_all' else f'{mode}/{key}']
        for key in (
            'aff',
            'refined',
            'entropy',
            'w_hat',
            'w',
            'M_hat',
            'M_bar',
            'M_hat_norm',
            'M_bar_norm',
            'entropy_v1',
        )
    }
    layers = layers_of(data['logits'])
    torch.testing.assert_close(
        torch.stack([layer.affinity(mode) for layer in layers], 1), golden['aff'], **EXACT
    )
    refined = reactivation.refine_by_layer(layers, masked_cam(data), mode)
    torch.testing.assert_close(refined, golden['refined'], **EXACT)
    entropy = reactivation.layer_entropy(refined)
    torch.testing.assert_close(entropy, golden['entropy'], **EXACT)
    torch.testing.assert_close(
        reactivation.layer_entropy(refined, 'sum'), golden['entropy_v1'], **EXACT
    )
    w_hat, weights = reactivation.layer_weights(entropy)
    # differences of nearly equal numbers
    torch.testing.assert_close(w_hat, golden['w_hat'], rtol=1e-7, atol=1e-9)
    torch.testing.assert_close(weights, golden['w'], rtol=1e-7, atol=1e-9)
    torch.testing.assert_close(
        torch.einsum('bl,blkhw->bkhw', golden['w'], refined), golden['M_hat'], **EXACT
    )
    torch.testing.assert_close(refined.mean(1), golden['M_bar'], **EXACT)
    torch.testing.assert_close(
        reactivation.reactivated_cams(refined, golden['w']), golden['M_hat_norm'], **EXACT
    )
    torch.testing.assert_close(
        reactivation.reactivated_cams(refined, torch.ones_like(weights)),
        golden['M_bar_norm'],
        **EXACT,
    )


def test_half_precision_queries_keep_the_weights_close(data):
    layers = layers_of(data['logits'], dtype=torch.bfloat16)
    with torch.autocast('cpu', torch.bfloat16):
        refined = reactivation.refine_by_layer(layers, masked_cam(data).float())
    assert refined.dtype == torch.float32
    w_hat, _ = reactivation.layer_weights(reactivation.layer_entropy(refined))
    assert w_hat.dtype == torch.float64
    torch.testing.assert_close(w_hat, data['w_hat'], rtol=0, atol=0.05)


def test_entropy_of_maps_that_hardly_differ():
    """log N - Var / 2, which float32 could not tell apart."""
    maps = 0.5 + 1e-4 * torch.linspace(-1, 1, 784).expand(1, 2, 1, -1) * torch.tensor(
        [1.0, 2.0]
    ).view(1, 2, 1, 1)
    entropy = reactivation.layer_entropy(maps.unflatten(3, (28, 28)))
    expected = math.log(784) - maps.double().var(-1, correction=0)[..., 0] / 2
    torch.testing.assert_close(entropy - math.log(784), expected - math.log(784), rtol=1e-2, atol=0)
    w_hat, weights = reactivation.layer_weights(entropy)
    assert w_hat.tolist() == [[1.0, 0.0]] and weights.tolist() == [[0.0, 1.0]]


def test_layers_that_are_alike(data):
    w_hat, weights = reactivation.layer_weights(data['edge/equal_entropy/entropy'])
    torch.testing.assert_close(w_hat, data['edge/equal_entropy/w_hat'])
    torch.testing.assert_close(weights, data['edge/equal_entropy/w'])


def test_no_classes_and_one_layer():
    layer = DeferredAttention(torch.rand(2, 2, 9, 4), torch.rand(2, 2, 9, 4), 3)
    refined = reactivation.refine_by_layer([layer], torch.zeros(2, 0, 2, 3))
    assert refined.shape == (2, 1, 0, 2, 3)
    entropy = reactivation.layer_entropy(refined)
    torch.testing.assert_close(entropy, torch.full((2, 1), math.log(6), dtype=torch.float64))
    w_hat, weights = reactivation.layer_weights(entropy)
    assert w_hat.eq(0).all() and weights.eq(1).all()
    assert reactivation.reactivated_cams(refined, weights).shape == (2, 0, 2, 3)
    assert (
        reactivation.reactivated_cams(torch.full((1, 2, 1, 2, 3), 0.3), torch.ones(1, 2))
        .eq(0)
        .all()
    )


def test_unknown_options():
    with pytest.raises(ValueError, match="'max' or 'sum', got 'mean'"):
        reactivation.layer_entropy(torch.rand(1, 1, 1, 2, 2), 'mean')
    with pytest.raises(ValueError, match='affinity mode'):
        DeferredAttention(torch.rand(1, 1, 3, 2), torch.rand(1, 1, 3, 2), 1).affinity('softmax')
    with pytest.raises(ValueError, match='label mode'):
        reactivation.token_labels(
            torch.rand(1, 3, 8, 8),
            torch.rand(1, 1, 2, 2),
            torch.ones(1, 1, dtype=torch.bool),
            (2, 2),
            mode='one',
        )


# Labels -------------------------------------------------------------------------------------------


def test_golden_labels_of_pixels_and_tokens(data):
    """Eq. 16, and the top-left pixel of every patch."""
    label = labels_eq16(
        data['labels/score'],
        data['label'],
        float(data['labels/alpha1']),
        float(data['labels/alpha2']),
    )
    assert torch.equal(label, data['labels/seg'])
    assert torch.equal(
        F.interpolate(label[:, None].double(), (4, 5), mode='nearest')[:, 0].long(),
        data['labels/seg_token'],
    )


@pytest.mark.parametrize(
    'size, grid', [((64, 64), (4, 4)), ((48, 96), (3, 6)), ((70, 90), (4, 5)), ((33, 65), (2, 4))]
)
@pytest.mark.parametrize('mode', ['eq16', 'two_pass'])
@pytest.mark.parametrize('refine', [True, False])
def test_token_labels_are_those_of_the_whole_image(size, grid, mode, refine):
    """Refinement at half size, enlarged, cut, then the nearest pixel of each patch: what is
    computed at some pixels only.
    """
    images, cams = torch.rand(3, 3, *size), torch.rand(3, 2, *grid)
    filled = torch.tensor([[True, True], [True, False], [False, False]])
    cams *= filled[:, :, None, None]
    par = pixel_adaptive_refinement if refine else None
    small = [side // 2 for side in size]
    if mode == 'eq16':
        maps = F.interpolate(cams, small, mode='bilinear')
        if refine:
            maps = par(F.interpolate(images, small, mode='bilinear'), maps)
        whole = labels_eq16(F.interpolate(maps, size, mode='bilinear'), filled, 0.4, 0.6)
    else:
        whole = labels_two_pass(
            images, F.interpolate(cams, size, mode='bilinear'), filled, 0.6, 0.4, par=par
        )
    expected = F.interpolate(whole[:, None].float(), grid, mode='nearest')[:, 0].long()
    expected[2] = 255
    result = reactivation.token_labels(
        images, cams, filled, grid, par=par, mode=mode, low=0.4, high=0.6
    )
    assert result.dtype == torch.int64 and torch.equal(result, expected)
    assert len(result.unique()) > 2


@pytest.mark.parametrize('slots', [0, 2])
def test_token_labels_without_tags(slots):
    filled = torch.zeros(2, slots, dtype=torch.bool)
    result = reactivation.token_labels(
        torch.rand(2, 3, 32, 32), torch.zeros(2, slots, 2, 2), filled, (2, 2)
    )
    assert torch.equal(result, torch.full((2, 2, 2), 255))


# Loss ---------------------------------------------------------------------------------------------


def test_golden_pairs(data):
    """Eq. 17 without its matrix."""
    pairs = reactivation.pair_counts(data['labels/seg_token'], torch.float64)
    torch.testing.assert_close(pairs.positive, data['loss/n_pos'], **EXACT)
    torch.testing.assert_close(pairs.negative, data['loss/n_neg'], **EXACT)
    alike = pairs.one_hot @ pairs.one_hot.transpose(1, 2)
    known = pairs.valid @ pairs.valid.transpose(1, 2)
    matrix = torch.where(known > 0, alike, 255)
    assert torch.equal(matrix.to(torch.uint8), data['labels/aff'])


@pytest.mark.parametrize('case', ['', 'edge/all_ignored/', 'edge/no_negatives/'])
def test_golden_loss_of_each_layer(data, case):
    labels = data[f'{case}seg_token' if case else 'labels/seg_token']
    pairs = reactivation.pair_counts(labels, torch.float64)
    prefix = case or 'loss/'
    torch.testing.assert_close(pairs.positive, data[f'{prefix}n_pos'], **EXACT)
    torch.testing.assert_close(pairs.negative, data[f'{prefix}n_neg'], **EXACT)
    for layer, expected in zip(data['mean_logits'].unbind(1), data[f'{prefix}per_layer'].unbind(1)):
        alike, different = reactivation.affinity_terms(layer, pairs)
        torch.testing.assert_close(
            alike / pairs.positive.clamp(min=1) + different / pairs.negative.clamp(min=1),
            expected,
            **EXACT,
        )


# Analysis -----------------------------------------------------------------------------------------


def test_hellinger_distances(data):
    affinity = data['aff'][:, 0]
    distances = reactivation.hellinger_distances(affinity)
    naive = torch.zeros_like(affinity)
    for image in range(2):
        for i in range(20):
            for j in range(20):
                naive[image, i, j] = sum(
                    (math.sqrt(p) - math.sqrt(q)) ** 2
                    for p, q in zip(affinity[image, i].tolist(), affinity[image, j].tolist())
                ) ** 0.5 / math.sqrt(2)
    torch.testing.assert_close(distances, naive, rtol=1e-7, atol=1e-7)
    pairs = torch.triu_indices(20, 20, 1)
    values = naive[:, pairs[0], pairs[1]]
    mean, std = reactivation.hellinger_statistics(affinity)
    torch.testing.assert_close(mean, values.mean(1), rtol=1e-7, atol=1e-8)
    torch.testing.assert_close(std, values.std(1, correction=0), rtol=1e-6, atol=1e-7)


def test_hellinger_distance_of_extreme_rows():
    mean, std = reactivation.hellinger_statistics(
        torch.stack([torch.eye(5), torch.full((5, 5), 0.2)])
    )
    torch.testing.assert_close(
        mean, torch.tensor([1.0, 0.0], dtype=torch.float64), rtol=0, atol=1e-7
    )
    assert std.max() < 1e-6
    assert [value.tolist() for value in reactivation.hellinger_statistics(torch.ones(1, 1, 1))] == [
        [0.0],
        [0.0],
    ]


def test_attended_tokens():
    assert reactivation.attended_tokens(torch.tensor([[[0.0, 1.0], [0.0, 0.5]]])).tolist() == [
        [0.0, 0.75]
    ]
