"""Rotary tables against complex numbers, one patch and one frequency at a time."""

import cmath
import math

import pytest
import torch

from mmwsss.functional.rotary import RULES, rotary_table, rotate

GRID, WIDTH = (3, 5), 8


def places(name, y, x):
    if name == 'dinov3':
        return [2 * math.pi * (2 * (i + 0.5) / n - 1) for i, n in ((y, GRID[0]), (x, GRID[1]))]
    return [i / n * 16 for i, n in ((y, GRID[0]), (x, GRID[1]))]


@pytest.mark.parametrize('name', RULES)
def test_pairs_are_turned_by_their_angles(name):
    rule = RULES[name]
    value = torch.randn(2, 4, 1 + 15 + 2, WIDTH, generator=torch.Generator().manual_seed(0))
    table = rotary_table(GRID, WIDTH, rule, others=(1, 2), like=value)
    turned = rotate(value, table, rule)
    assert torch.equal(turned[..., [0, 16, 17], :], value[..., [0, 16, 17], :])
    pairs = [(2 * i, 2 * i + 1) if rule.interleaved else (i, i + 4) for i in range(4)]
    for y in range(GRID[0]):
        for x in range(GRID[1]):
            row = 1 + y * GRID[1] + x
            for number, (real, imaginary) in enumerate(pairs):
                axis, band = divmod(number, 2)
                angle = places(name, y, x)[axis] * rule.base ** (-band / 2)
                before, after = (complex(*t[1, 2, row, [real, imaginary]]) for t in (value, turned))
                assert after == pytest.approx(before * cmath.exp(1j * angle), abs=1e-5)


def test_types():
    rule = RULES['dinov3']
    half = torch.randn(2, 15, WIDTH).bfloat16()
    table = rotary_table(GRID, WIDTH, rule, like=half)
    assert table.dtype == torch.float32 and rotate(half, table, rule).dtype == torch.bfloat16
    assert rotary_table(GRID, WIDTH, rule, like=half.double()).dtype == torch.float64
