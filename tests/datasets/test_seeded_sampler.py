"""Augmentations that depend on the place in the run alone."""

import itertools
import pickle
import random

import numpy as np
import torch

from mmwsss.datasets import SeededInfiniteSampler
from mmwsss.datasets.seeded_items import seed_item


def draws(index):
    seed_item(index)
    return random.random(), np.random.rand(), float(torch.rand(()))


def test_a_skipped_sampler_gives_the_same_numbers():
    whole, resumed = (SeededInfiniteSampler(list(range(5)), seed=3) for _ in range(2))
    resumed.skip(7)
    first, second = list(itertools.islice(whole, 12))[7:], list(itertools.islice(resumed, 5))
    assert first == second and [draws(index) for index in first] == [
        draws(pickle.loads(pickle.dumps(index))) for index in second
    ]
    assert len({draws(index) for index in first}) == 5


def test_other_indices_seed_nothing():
    random.seed(1)
    expected = random.random()
    random.seed(1)
    seed_item(4)
    assert random.random() == expected
