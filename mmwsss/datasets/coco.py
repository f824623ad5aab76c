"""MS COCO 2014 with image tags."""

from typing import Any

from mmwsss.datasets.image_tags import ImageTagDataset
from mmwsss.registry import DATASETS
from mmwsss.utils.class_lists import COCO_CLASSES
from mmwsss.utils.io import voc_palette
from mmwsss.utils.setup_hints import coco_setup_hint


@DATASETS.register_module()
class COCO14TagDataset(ImageTagDataset):
    """MS COCO 2014 (80 classes) in VOC layout: ``JPEGImages``, ``image_tags.csv``,
    ``ImageSets/Segmentation/{train,val}.txt`` and, for evaluation, palette masks
    ``SegmentationClass`` with the values 0..80.

    Args:
        data_root (str): Folder of the data set.
        kwargs: See :class:`ImageTagDataset`. Masks are read in test mode only.

    Raises:
        FileNotFoundError: A file or folder is missing. The message lists the expected files and
            their places.
    """

    METAINFO = {'classes': COCO_CLASSES, 'palette': voc_palette()[: len(COCO_CLASSES)].tolist()}

    def __init__(
        self,
        *,
        data_root: str = 'data/coco14',
        data_prefix: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        if data_prefix is None:
            data_prefix = {'img_path': 'JPEGImages', 'seg_map_path': 'SegmentationClass'}
        kwargs.setdefault('raw_pixels', True)
        super().__init__(
            data_root=data_root,
            data_prefix=data_prefix,
            setup_hint=coco_setup_hint(data_root),
            **kwargs,
        )
