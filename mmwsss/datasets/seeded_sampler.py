"""Infinite sampler whose items include the seed of their augmentation."""

from collections.abc import Iterator

from mmengine.dataset import InfiniteSampler

from mmwsss.datasets.seeded_items import SeededIndex
from mmwsss.registry import DATA_SAMPLERS


@DATA_SAMPLERS.register_module()
class SeededInfiniteSampler(InfiniteSampler):
    """:class:`mmengine.dataset.InfiniteSampler` for runs that reach the same weights after
    resuming.

    MMEngine resumes the order of the images, but a resumed process draws other augmentations than
    an uninterrupted one. Here the position of an image in the infinite order seeds its
    augmentations, independent of the number of loading processes; this holds for data sets based on
    :class:`SeededItems`.
    """

    def _indices_of_rank(self) -> Iterator[SeededIndex]:
        for position, index in enumerate(super()._indices_of_rank()):
            item = SeededIndex(index)
            item.entropy = (self.seed, self.rank, position)
            yield item
