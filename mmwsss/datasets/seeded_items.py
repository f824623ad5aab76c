"""Items of a data set whose random changes depend on their place in the run."""

from mmwsss.utils.seeding import seed_all


class SeededIndex(int):
    """Index of an item with ``entropy``, numbers that its random changes are drawn from."""


class SeededItems:
    """Base, before a :class:`mmengine.dataset.BaseDataset`, of data sets that
    :class:`SeededInfiniteSampler` can seed.

    Attributes:
        raw_pixels: Images are read without their EXIF orientation.
        max_side: Longest allowed side in pixels; larger images are downscaled. None: no limit.
    """

    raw_pixels: bool = False
    max_side: int | None = None

    def prepare_data(self, idx):
        """Item ``idx`` after the pipeline; no other item ever takes the place of one that fails.

        Raises:
            ValueError: The pipeline returned nothing. The message names the image.
        """
        seed_item(idx)
        info = self.get_data_info(idx)
        path = info['img_path']
        if self.raw_pixels:
            info['raw_pixels'] = True
        if self.max_side is not None:
            info['max_side'] = self.max_side
        data = self.pipeline(info)
        if data is None:
            raise ValueError(f'{path}: a transform of the pipeline dropped this image')
        return data


def seed_item(index):
    """Seed Python, NumPy and PyTorch for an item of :class:`SeededInfiniteSampler`; nothing for
    other indices.
    """
    if isinstance(index, SeededIndex):
        seed_all(index.entropy)
