"""Seeds of all three sources of random numbers."""

import random

import numpy as np
import torch

from mmwsss.utils.seeding import seed_all


def draws(entropy):
    seed_all(entropy)
    return random.random(), np.random.rand(), torch.rand(()).item()


def test_the_numbers_alone_decide():
    first = draws((0, 1, 2))
    random.random(), np.random.rand(), torch.rand(())
    assert draws((0, 1, 2)) == first
    assert all(not set(first) & set(draws(other)) for other in ((0, 2, 1), (0, 1), (1, 1, 2)))
