"""Rotary tables against complex numbers, one patch and one frequency at a time."""

import cmath
import math

import pytest
import torch

from mmwsss.functional.rotary import RULES, RandomPlaces, draw_places, rotary_table, rotate

GRID, WIDTH = (3, 5), 8


def places(name, y, x, change):
    axes = list(zip((y, x), GRID, *change))
    if name == 'dinov3':
        return [2 * math.pi * (2 * (i + 0.5) / n - 1 + b) * f for i, n, b, f in axes]
    return [(i / n * 16 + b) * f for i, n, b, f in axes]


@pytest.mark.parametrize('change', [None, [[0.25, -0.5], [1.5, 0.75]]])
@pytest.mark.parametrize('name', RULES)
def test_pairs_are_turned_by_their_angles(name, change):
    rule = RULES[name]
    value = torch.randn(2, 4, 1 + 15 + 2, WIDTH, generator=torch.Generator().manual_seed(0))
    table = rotary_table(
        GRID, WIDTH, rule, others=(1, 2), change=change and torch.tensor(change), like=value
    )
    turned = rotate(value, table, rule)
    assert torch.equal(turned[..., [0, 16, 17], :], value[..., [0, 16, 17], :])
    pairs = [(2 * i, 2 * i + 1) if rule.interleaved else (i, i + 4) for i in range(4)]
    for y in range(GRID[0]):
        for x in range(GRID[1]):
            row = 1 + y * GRID[1] + x
            for number, (real, imaginary) in enumerate(pairs):
                axis, band = divmod(number, 2)
                angle = places(name, y, x, change or [[0, 0], [1, 1]])[axis] * rule.base ** (
                    -band / 2
                )
                before, after = (complex(*t[1, 2, row, [real, imaginary]]) for t in (value, turned))
                assert after == pytest.approx(before * cmath.exp(1j * angle), abs=1e-5)


def test_types():
    rule = RULES['dinov3']
    half = torch.randn(2, 15, WIDTH).bfloat16()
    table = rotary_table(GRID, WIDTH, rule, like=half)
    assert table.dtype == torch.float32 and rotate(half, table, rule).dtype == torch.bfloat16
    assert rotary_table(GRID, WIDTH, rule, like=half.double()).dtype == torch.float64


def test_random_places_are_in_their_ranges():
    torch.manual_seed(0)
    drawn = torch.stack([draw_places(RandomPlaces(rescale=2.0)) for _ in range(500)])
    assert (drawn[:, 0] == 0).all() and torch.equal(drawn[:, 1, 0], drawn[:, 1, 1])
    logs = drawn[:, 1, 0].log2()
    assert -1 <= logs.min() < -0.95 and 0.95 < logs.max() <= 1
    assert logs.mean().abs() < 0.1 and logs.std() == pytest.approx(3**-0.5, rel=0.1)
    drawn = torch.stack([draw_places(RandomPlaces(0.5, 4.0)) for _ in range(500)])
    for values in drawn[:, 0].T:
        assert -0.5 <= values.min() < -0.45 and 0.45 < values.max() <= 0.5
    for values in drawn[:, 1].log2().T:
        assert -2 <= values.min() < -1.9 and 1.9 < values.max() <= 2
    for both in (drawn[:, 0], drawn[:, 1].log2()):
        assert torch.corrcoef(both.T)[0, 1].abs() < 0.2


def test_random_places_come_from_the_seed_of_the_host():
    options = RandomPlaces(0.5, 1.2, 2.0)
    torch.manual_seed(3)
    drawn, after = draw_places(options), torch.rand(1)
    torch.manual_seed(3)
    assert draw_places(options, 'meta').device.type == 'meta' and torch.equal(torch.rand(1), after)
    torch.manual_seed(3)
    shift = torch.empty(2).uniform_(-0.5, 0.5)
    jitter, rescale = (
        torch.empty(n).uniform_(-math.log(f), math.log(f)) for n, f in ((2, 1.2), (1, 2.0))
    )
    torch.testing.assert_close(drawn, torch.stack([shift, (jitter + rescale).exp()]))


def test_a_compiled_graph_draws_random_places_on_the_device():
    torch._dynamo.reset()
    compiled = torch.compile(draw_places, backend='eager', fullgraph=True)
    torch.manual_seed(3)
    before = torch.get_rng_state()
    assert compiled(RandomPlaces(0.5, 1.2, 2.0), 'meta').device.type == 'meta'
    assert torch.equal(torch.get_rng_state(), before)


def test_random_places_keep_the_type():
    change = draw_places(RandomPlaces(rescale=2.0))
    for dtype, expected in ((torch.bfloat16, torch.float32), (torch.float64, torch.float64)):
        like = torch.empty(0, dtype=dtype)
        table = rotary_table(GRID, WIDTH, RULES['dinov3'], change=change, like=like)
        assert table.dtype == expected
