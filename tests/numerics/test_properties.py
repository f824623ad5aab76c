"""Values and gradients are finite whatever a network or a data set gives: every loss, and every
function that a loss or a map passes through, over shapes, empty sets, constants, zeros, large and
small numbers, and the precisions that networks run in.
"""

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mmwsss.functional.affinity import affinity_loss, displacement_loss, pair_offsets
from mmwsss.functional.cam import fuse_cams, minmax_normalize, refine_with_affinity
from mmwsss.functional.confusion import class_areas, class_iou, confusion_matrix
from mmwsss.functional.crf import background_alpha
from mmwsss.functional.energy import dense_energy
from mmwsss.functional.pooling import (
    global_average_pool,
    global_max_pool,
    global_weighted_ranking_pool,
)
from mmwsss.functional.pseudo_labels import cam_to_label
from mmwsss.functional.reliability import reliability, single_threshold_label
from mmwsss.functional.thresholds import labels_at_threshold, make_thresholds, sweep_counts
from mmwsss.functional.vectors import unit_vectors
from mmwsss.models.heads.projector import Projector
from mmwsss.models.losses import (
    AttentionAffinityLoss,
    AttentionConsistencyLoss,
    BalancedSegLoss,
    ClassTokenContrastLoss,
    ContrastiveSeparationLoss,
    DenseEnergyLoss,
    MaskedContrastLoss,
    PixelCrossEntropyLoss,
    ReliabilityWeightedLoss,
    SegToCAMLoss,
    TokenAffinityLoss,
)

DTYPES = {'fp32': torch.float32, 'fp16': torch.float16, 'bf16': torch.bfloat16}
KINDS = ('zeros', 'constant', 'random', 'sparse', 'one')
SCALES = (1e-4, 1.0, 1e4)
LABELS = ('ignored', 'background', 'one class', 'mixed')


class Numbers:
    """Tensors of one drawn case.

    Args:
        seed: Of the values.
        kind: What the values are.
        scale: Largest value.
        dtype: Precision.
        labels: Kind of the labels.
        sides: B, C, h, w.
    """

    def __init__(self, seed, kind, scale, dtype, labels, sides):
        self.random = torch.Generator().manual_seed(seed)
        self.kind, self.scale, self.dtype, self.labels = kind, scale, dtype, labels
        self.batch, self.classes, self.height, self.width = sides
        self.grid = self.height, self.width

    def values(self, *shape, scale=None, positive=False):
        """Leaf tensor of the drawn kind."""
        scale = self.scale if scale is None else scale
        values = torch.rand(shape, generator=self.random) * (1 if positive else 2) - int(
            not positive
        )
        if self.kind == 'zeros':
            values = torch.zeros(shape)
        elif self.kind == 'constant':
            values = torch.ones(shape)
        elif self.kind == 'sparse':
            values = values * (torch.rand(shape, generator=self.random) < 0.2)
        elif self.kind == 'one' and values.numel():
            values = torch.zeros(shape)
            values.view(-1)[0] = 1
        return (values * scale).to(self.dtype).requires_grad_()

    def label_map(self, *shape):
        """Labels 0..C, 255."""
        if self.labels == 'ignored':
            return torch.full(shape, 255)
        if self.labels == 'background':
            return torch.zeros(shape, dtype=torch.long)
        if self.labels == 'one class':
            return torch.full(shape, self.classes)
        labels = torch.randint(0, self.classes + 2, shape, generator=self.random)
        return labels.masked_fill(labels > self.classes, 255)

    def tags(self):
        """Multi-hot (B,C); none for labels that are ignored."""
        if self.labels in ('ignored', 'background'):
            return torch.zeros(self.batch, self.classes)
        return (torch.rand(self.batch, self.classes, generator=self.random) < 0.6).float()

    def confidence(self):
        """(B,h,w) in [0,1]."""
        return self.values(self.batch, *self.grid, scale=1.0, positive=True).detach().float()


def _attention(numbers, *shape):
    """Logits and their softmax."""
    logits = numbers.values(*shape, scale=min(numbers.scale, 100.0))
    return logits, logits.softmax(-1)


def _class_token_contrast(numbers):
    tokens = numbers.values(3, numbers.batch, numbers.classes, 4)
    yield tokens, ClassTokenContrastLoss()(tokens, numbers.tags())
    yield tokens, ClassTokenContrastLoss(rows='all')(tokens, numbers.tags())


def _separation(numbers):
    for similarity in ('cosine',) if numbers.scale > 1 else ('cosine', 'dot'):
        cams = numbers.values(numbers.batch, numbers.classes, *numbers.grid)
        loss = ContrastiveSeparationLoss(similarity=similarity)
        labels = numbers.label_map(numbers.batch, *numbers.grid)
        yield cams, loss(cams, labels, numbers.confidence(), 0.5)


def _attention_affinity(numbers):
    tokens = numbers.height * numbers.width
    for style in ('paper', 'afa'):
        logits = numbers.values(numbers.batch, 2, tokens, tokens)
        labels = numbers.label_map(numbers.batch, *numbers.grid)
        yield logits, AttentionAffinityLoss(style)(logits, labels, torch.ones(numbers.batch, 2))


def _attention_consistency(numbers):
    tokens = numbers.height * numbers.width + numbers.classes
    for term in ('activation', 'affinity'):
        shape = numbers.batch, 2, tokens, tokens
        (logits, one), (_, two) = _attention(numbers, *shape), _attention(numbers, *shape)
        yield logits, AttentionConsistencyLoss(term)(one, two, numbers.grid, 'hflip')


def _segmentation(numbers):
    for make in (
        BalancedSegLoss,
        lambda: BalancedSegLoss(reduction='batch'),
        PixelCrossEntropyLoss,
    ):
        loss = make()
        logits = numbers.values(numbers.batch, numbers.classes + 1, *numbers.grid)
        labels = numbers.label_map(numbers.batch, *numbers.grid)
        logits_in = logits.float() if isinstance(loss, PixelCrossEntropyLoss) else logits
        yield logits, loss(logits_in, labels)
    for balanced in (False, True):
        logits = numbers.values(numbers.batch, numbers.classes + 1, *numbers.grid)
        labels = numbers.label_map(numbers.batch, *numbers.grid)
        loss = ReliabilityWeightedLoss(balanced=balanced)
        yield logits, loss(logits, labels, numbers.confidence(), 0.5)


def _dense_energy(numbers):
    shape = numbers.batch, 3, 2 * numbers.height, 2 * numbers.width
    images = torch.rand(shape, generator=numbers.random) * 255
    logits = numbers.values(numbers.batch, numbers.classes + 1, *numbers.grid)
    labels = numbers.label_map(numbers.batch, *shape[2:])
    yield logits, DenseEnergyLoss()(logits, images, labels)


def _masked_contrast(numbers):
    student = numbers.values(3, numbers.batch, 4)
    teacher = numbers.values(2, numbers.batch, 4).detach()
    positive = torch.rand(numbers.batch, 3, generator=numbers.random) < 0.5
    for for_else in (False, True):
        yield student, MaskedContrastLoss(for_else_term=for_else)(student, teacher, positive)


def _seg_to_cam(numbers):
    for version in ('v1', 'v2', 'v3', 'paper'):
        cams = numbers.values(numbers.batch, numbers.classes, *numbers.grid)
        shape = numbers.batch, numbers.classes + 1, *numbers.grid
        yield cams, SegToCAMLoss(version)(cams, numbers.values(*shape).float().softmax(1))


def _token_affinity(numbers):
    features = numbers.values(numbers.batch, 4, *numbers.grid)
    labels = numbers.label_map(numbers.batch, *numbers.grid)
    for reduction in ('image', 'batch'):
        yield features, TokenAffinityLoss(reduction=reduction)(features, labels)


def _pairs(numbers):
    size = numbers.height + 2, numbers.width + 4
    labels = numbers.label_map(numbers.batch, *size)
    planes = numbers.values(
        numbers.batch, len(pair_offsets(2)), (size[0] - 1) * (size[1] - 2), scale=1.0, positive=True
    )
    yield planes, affinity_loss(planes.float(), labels, 2).total
    vectors = numbers.values(numbers.batch, 2, *size)
    foreground, background = displacement_loss(vectors, labels, 2)
    yield vectors, foreground + background


def _maps(numbers):
    shape = numbers.batch, numbers.classes, *numbers.grid
    for sqrt in (True, False):
        attention, maps = numbers.values(*shape, positive=True), numbers.values(*shape)
        fused = fuse_cams(attention, maps, sqrt=sqrt)
        assert (fused >= 0).all()
        yield attention, fused
        yield maps, fuse_cams(attention.detach(), maps, sqrt=sqrt)
    maps = numbers.values(*shape).float().detach()
    normal = minmax_normalize(maps)
    assert (normal >= 0).all() and (normal <= 1).all()
    yield None, normal
    tokens = numbers.height * numbers.width
    small = numbers.values(*shape, scale=1.0)
    affinity = numbers.values(numbers.batch, tokens, tokens, scale=1.0, positive=True).detach()
    yield small, refine_with_affinity(small, affinity)
    for pool in (global_average_pool, global_max_pool, global_weighted_ranking_pool):
        maps = numbers.values(*shape)
        yield maps, pool(maps)
    unit = numbers.values(numbers.batch, 4)
    vectors = unit_vectors(unit)
    assert (vectors.norm(dim=-1) <= 1 + 1e-5).all()
    yield unit, vectors
    tokens = numbers.values(numbers.batch, 4, scale=min(numbers.scale, 1.0))
    yield (
        tokens,
        Projector(4, 3, hidden_channels=8, bottleneck_channels=8).to(numbers.dtype)(tokens),
    )


def _labels(numbers):
    shape = numbers.batch, numbers.classes, *numbers.grid
    maps = numbers.values(*shape, scale=1.0, positive=True).detach().float()
    tags = numbers.tags()
    labels = cam_to_label(maps, tags, high=0.7, low=0.25)
    allowed = {0, 255, *range(1, numbers.classes + 1)}
    assert set(labels.unique().tolist()) <= allowed
    confidence = numbers.confidence()
    yield None, reliability(confidence, 0.5)
    winner = numbers.label_map(numbers.batch, *numbers.grid).clamp(max=numbers.classes - 1)
    assert set(single_threshold_label(confidence, winner, 0.5).unique().tolist()) <= allowed
    for alpha in (1, 12):
        yield None, background_alpha(maps[0], alpha)
    keys, gt = list(range(numbers.classes)), numbers.label_map(*numbers.grid)
    thresholds = (0.0, 0.3, 0.7)
    counts = sweep_counts(maps[0], keys, gt, make_thresholds(thresholds), numbers.classes + 1)
    assert (counts >= 0).all()
    for threshold in thresholds:
        found = labels_at_threshold(maps[0], torch.tensor(keys), threshold)
        matrix = confusion_matrix(found, gt, numbers.classes + 1)
        assert matrix.sum() == (gt != 255).sum()
        iou = class_iou(class_areas(matrix[:, :-1]))
        assert (iou >= 0).all() and (iou <= 1).all()
        yield None, iou


CASES = {
    function.__name__.strip('_'): function
    for function in (
        _class_token_contrast,
        _separation,
        _attention_affinity,
        _attention_consistency,
        _segmentation,
        _dense_energy,
        _masked_contrast,
        _seg_to_cam,
        _token_affinity,
        _pairs,
        _maps,
        _labels,
    )
}


def check(function, numbers):
    """Values are finite, and so are gradients where a tensor has one."""
    for leaf, value in function(numbers):
        assert torch.isfinite(value).all(), f'{function.__name__}: value {value}'
        if leaf is None:
            continue
        (gradient,) = torch.autograd.grad(value.float().sum(), leaf, allow_unused=True)
        assert gradient is not None
        assert torch.isfinite(gradient).all(), f'{function.__name__}: gradient {gradient}'


draws = dict(
    seed=st.integers(0, 1000),
    kind=st.sampled_from(KINDS),
    scale=st.sampled_from(SCALES),
    labels=st.sampled_from(LABELS),
    sides=st.tuples(st.integers(1, 2), st.integers(1, 4), st.integers(1, 4), st.integers(1, 5)),
)


@pytest.mark.parametrize('dtype', DTYPES)
@pytest.mark.parametrize('name', CASES)
@settings(max_examples=12, derandomize=True, deadline=None)
@given(**draws)
def test_values_and_gradients_are_finite(name, dtype, seed, kind, scale, labels, sides):
    check(CASES[name], Numbers(seed, kind, scale, DTYPES[dtype], labels, sides))


@pytest.mark.slow
@pytest.mark.parametrize('name', CASES)
def test_every_kind_scale_precision_and_label(name):
    for kind, scale, dtype, labels in itertools.product(KINDS, SCALES, DTYPES, LABELS):
        for sides in ((1, 1, 1, 1), (2, 3, 3, 4)):
            check(CASES[name], Numbers(0, kind, scale, DTYPES[dtype], labels, sides))


GRADIENTS = {
    'class tokens': lambda x: ClassTokenContrastLoss()(
        x.view(2, 1, 3, 4), torch.tensor([[1.0, 0, 1]])
    ),
    'separation': lambda x: ContrastiveSeparationLoss()(
        x.view(1, 3, 2, 4),
        torch.tensor([[[0, 1, 1, 2], [0, 0, 1, 2]]]),
        torch.full((1, 2, 4), 0.95),
        0.4,
    ),
    'fused maps': lambda x: fuse_cams(x.view(1, 2, 3, 4).abs() + 1, x.view(1, 2, 3, 4).abs() + 1),
    'unit vectors': lambda x: unit_vectors(x.view(6, 4)),
    'average': lambda x: global_average_pool(x.view(1, 2, 3, 4)),
    'refined': lambda x: refine_with_affinity(x.view(1, 2, 3, 4), torch.ones(1, 12, 12).double()),
}


@pytest.mark.parametrize('name', GRADIENTS)
def test_gradients_are_those_of_the_values(name):
    x = torch.randn(24, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    assert torch.autograd.gradcheck(GRADIENTS[name], x.requires_grad_())


def test_the_energy_of_an_open_gate_has_the_gradient_of_its_value():
    scores = torch.rand(1, 2, 3, 4, generator=torch.Generator().manual_seed(0)).double()
    images = torch.rand(1, 3, 3, 4, generator=torch.Generator().manual_seed(1)).double() * 255

    def energy(values):
        gate = torch.ones(1, 3, 4).double()
        return dense_energy(values, gate, images, sigma_rgb=15, sigma_xy=50)

    assert torch.autograd.gradcheck(energy, scores.requires_grad_())


def test_maps_that_are_zero_get_no_gradient():
    attention = torch.tensor([0.0, 0.0, 4.0, 4.0]).view(1, 1, 2, 2).requires_grad_()
    maps = torch.tensor([0.0, 2.0, -1.0, 9.0]).view(1, 1, 2, 2).requires_grad_()
    fused = fuse_cams(attention, maps)
    assert fused.flatten().tolist() == [0, 0, 0, 6]
    fused.sum().backward()
    assert maps.grad.flatten().tolist() == [0, 0, 0, pytest.approx(1 / 3)]
    assert attention.grad.flatten().tolist() == [0, 0, 0, pytest.approx(0.75)]
    half = fuse_cams(torch.full((1, 1, 1, 1), 1e4).half(), torch.full((1, 1, 1, 1), 1e4).half())
    assert half.dtype == torch.float16 and half.item() == pytest.approx(1e4)
