"""An endless sampler whose items carry the seed of their augmentation."""

from collections.abc import Iterator

from mmengine.dataset import InfiniteSampler

from mmwsss.datasets.seeded_items import SeededIndex
from mmwsss.registry import DATA_SAMPLERS


@DATA_SAMPLERS.register_module()
class SeededInfiniteSampler(InfiniteSampler):
    """:class:`mmengine.dataset.InfiniteSampler` for runs that resume to the same weights.

    MMEngine resumes the order of the images, but a resumed process draws other augmentations than
    one that went on. Here the place of an image in the endless order seeds them, whatever the
    number of loading processes; data sets on :class:`SeededItems` do so.
    """

    def _indices_of_rank(self) -> Iterator[SeededIndex]:
        for position, index in enumerate(super()._indices_of_rank()):
            item = SeededIndex(index)
            item.entropy = (self.seed, self.rank, position)
            yield item
