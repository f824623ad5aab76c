"""Images with the training labels of affinity networks."""

from collections.abc import Sequence
from typing import Any

from mmengine.dataset import BaseDataset

from mmwsss.datasets.seeded_items import SeededItems
from mmwsss.registry import DATASETS
from mmwsss.utils.file_lookup import (
    IMAGE_SUFFIXES,
    as_suffixes,
    find_files,
    generated_folder,
    listed_images,
)


@DATASETS.register_module()
class AffinityDataset(SeededItems, BaseDataset):
    """Training images of :class:`mmwsss.models.AffinityNet` and :class:`mmwsss.models.IRNet`.

    An item's information holds ``img_id``, ``img_path`` and ``affinity_path``: the file that
    ``tools/make_affinity_labels.py`` has written for the image. No ground truth is read.

    Args:
        data_root (str): Root of the other paths.
        data_prefix (dict): ``affinity_path``: folder of the CRF maps or label maps, relative to
            ``data_root`` if it is found there, else to the working directory; ``img_path``: folder
            of the images, default ``JPEGImages``.
        ann_file (str): List of the image ids. Default: every image of the folder.
        img_suffix (str | Sequence[str]): Suffixes of the images, tried in order.
        affinity_suffix (str | Sequence[str]): Suffixes of the files, tried in order: ``.npz`` for
            PSA, ``.png`` for IRN.
        raw_pixels (bool): Read images without their EXIF orientation, as expected by the
            annotations of VOC, SBD and COCO; other photos are read as viewers show them.
        pipeline (Sequence[dict | Callable]): Transforms.
        loading: ``indices``, ``serialize_data`` and ``lazy_init`` of
            :class:`mmengine.dataset.BaseDataset`.

    Raises:
        FileNotFoundError: Images or files do not exist. The message names up to 20 of them.
        ValueError: The folder of the files is not given.
    """

    def __init__(
        self,
        *,
        data_root: str = '',
        data_prefix: dict[str, Any] | None = None,
        ann_file: str = '',
        img_suffix: str | Sequence[str] = IMAGE_SUFFIXES,
        affinity_suffix: str | Sequence[str] = ('.npz', '.png'),
        raw_pixels: bool = False,
        pipeline: Sequence[dict[str, Any]] = (),
        **loading: Any,
    ) -> None:
        self.raw_pixels = raw_pixels
        prefix = {'img_path': 'JPEGImages', **(data_prefix or {})}
        if prefix.get('affinity_path') is None:
            raise ValueError(
                "AffinityDataset: data_prefix needs 'affinity_path', the folder written by "
                'tools/make_affinity_labels.py'
            )
        prefix['affinity_path'] = generated_folder(data_root or '', prefix['affinity_path'])
        self.img_suffix = as_suffixes(img_suffix)
        self.affinity_suffix = as_suffixes(affinity_suffix)
        super().__init__(
            ann_file=ann_file or '',
            data_root=data_root or '',
            data_prefix=prefix,
            pipeline=list(pipeline),
            max_refetch=0,
            **loading,
        )

    def load_data_list(self) -> list[dict[str, Any]]:
        """Read the list and find the files.

        Returns:
            list[dict]: Information of each image.
        """
        ids, images = listed_images(self.data_prefix['img_path'], self.ann_file, self.img_suffix)
        files = find_files(
            self.data_prefix['affinity_path'],
            ids,
            self.affinity_suffix,
            what='affinity label',
            hint='Write them first with tools/make_affinity_labels.py',
        )
        return [
            {'img_id': key, 'img_path': image, 'affinity_path': file}
            for key, image, file in zip(ids, images, files)
        ]
