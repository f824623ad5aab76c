"""Random numbers that depend only on given numbers."""

import random
from collections.abc import Sequence

import numpy as np
import torch


def seed_all(entropy: Sequence[int]) -> None:
    """Seed Python, NumPy and PyTorch from some numbers, e.g. seed, epoch and rank.

    Args:
        entropy (Sequence[int]): Non-negative numbers; different ones give different random numbers.
    """
    seed = int(np.random.SeedSequence(entropy).generate_state(1)[0])
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
