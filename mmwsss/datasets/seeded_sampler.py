"""An endless sampler whose items carry the seed of their augmentation."""
import random

import numpy as np
import torch
from mmengine.dataset import InfiniteSampler

from mmwsss.registry import DATA_SAMPLERS


class SeededIndex(int):
    """Index of an item with ``entropy``, numbers that its random changes are drawn from."""


@DATA_SAMPLERS.register_module()
class SeededInfiniteSampler(InfiniteSampler):
    """:class:`mmengine.dataset.InfiniteSampler` for runs that resume to the same weights.

    MMEngine resumes the order of the images, but a resumed process draws other augmentations than one that went on. Here the place of an
    image in the endless order seeds them, whatever the number of loading processes; :class:`ImageTagDataset` does so.
    """

    def _indices_of_rank(self):
        for position, index in enumerate(super()._indices_of_rank()):
            item = SeededIndex(index)
            item.entropy = (self.seed, self.rank, position)
            yield item


def seed_item(index):
    """Seed Python, NumPy and PyTorch for an item of :class:`SeededInfiniteSampler`; nothing for other indices."""
    if isinstance(index, SeededIndex):
        seed = int(np.random.SeedSequence(index.entropy).generate_state(1)[0])
        random.seed(seed)
        np.random.seed(seed)
        torch.manual_seed(seed)
