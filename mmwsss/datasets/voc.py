"""PASCAL VOC 2012 with image tags."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mmengine.logging import print_log

from mmwsss.datasets.image_tags import ImageTagDataset
from mmwsss.registry import DATASETS
from mmwsss.utils.class_lists import VOC_CLASSES
from mmwsss.utils.file_lookup import find_files
from mmwsss.utils.io import read_id_list, voc_palette
from mmwsss.utils.setup_hints import VOC_SPLIT_SIZES, voc_setup_hint
from mmwsss.utils.tag_sources import voc_tags


@DATASETS.register_module()
class VOC12TagDataset(ImageTagDataset):
    """PASCAL VOC 2012 (20 classes) with the tags of its object annotations.

    Args:
        split (str): ``'train_aug'`` (10,582 images), ``'train'`` (1,464), ``'val'`` (1,449) or
            ``'test'`` (1,456, without annotations).
        source (str, optional): Source of the tags. ``'file'``: ``tags_file``; ``'xml'``:
            ``Annotations/<id>.xml``, parsed at every start; ``'mask'``: classes of the label maps,
            test mode only. Default: the file if it exists, otherwise XML; none for ``'test'``.
        data_root (str): The folder ``VOC2012`` of the development kit.
        data_prefix (dict, optional): Default: images in ``JPEGImages`` and, in test mode, masks in
            ``SegmentationClassAug``.
        ann_file (str): Default: ``ImageSets/Segmentation/<split>.txt``. If its length differs from
            the official one, a warning is logged.
        tags_file (str): Written by ``tools/dataset_converters/voc_aug.py``.
        kwargs: See :class:`ImageTagDataset`.

    Raises:
        FileNotFoundError: A file or folder is missing. The message says what to download and where
            to put it.
        ValueError: The split or source is unknown, or ``source='mask'`` is used in training.
    """

    METAINFO = {'classes': VOC_CLASSES, 'palette': voc_palette()[: len(VOC_CLASSES)].tolist()}

    def __init__(
        self,
        *,
        split: str = 'train_aug',
        source: str | None = None,
        data_root: str = 'data/VOCdevkit/VOC2012',
        data_prefix: dict[str, Any] | None = None,
        ann_file: str = '',
        tags_file: str = 'image_tags.csv',
        test_mode: bool = False,
        **kwargs: Any,
    ) -> None:
        if split not in VOC_SPLIT_SIZES:
            raise ValueError(f'split={split!r}: choose from {", ".join(VOC_SPLIT_SIZES)}')
        if source not in (None, 'file', 'xml', 'mask'):
            raise ValueError(f"source={source!r}: choose from 'file', 'xml', 'mask', or None")
        if source == 'mask' and not test_mode:
            raise ValueError(
                "source='mask': a training set does not read masks; derive a tag file with "
                'tools/dataset_converters/voc_aug.py --source mask'
            )
        self.split = split
        if source is None:
            source = None if split == 'test' else 'xml'  # the test split has no annotations
            if Path(data_root, tags_file).is_file():
                source = 'file'
        self.source = source
        if data_prefix is None:
            data_prefix = {
                'img_path': 'JPEGImages',
                'seg_map_path': None if split == 'test' else 'SegmentationClassAug',
            }
        kwargs.setdefault('raw_pixels', True)
        super().__init__(
            data_root=data_root,
            data_prefix=data_prefix,
            ann_file=ann_file or f'ImageSets/Segmentation/{split}.txt',
            tags_file=tags_file if source else None,
            test_mode=test_mode,
            setup_hint=voc_setup_hint(data_root),
            **kwargs,
        )

    def load_data_list(self) -> list[dict[str, Any]]:
        """See :meth:`ImageTagDataset.load_data_list`."""
        infos = super().load_data_list()
        expected = VOC_SPLIT_SIZES[self.split]
        if len(infos) != expected:
            print_log(
                f'{self.ann_file}: {len(infos)} images, VOC 2012 {self.split} has {expected}',
                logger='current',
                level=logging.WARNING,
            )
        return infos

    def read_tag_names(self) -> dict[str, list[str]] | None:
        """Tags of the images, from the chosen source."""
        if self.source is None:
            return None
        if self.source == 'file':
            return super().read_tag_names()
        ids = read_id_list(self.ann_file)
        paths = find_voc_annotations(
            self.data_root, ids, self.source, masks=self.data_prefix.get('seg_map_path')
        )
        print_log(
            f'reading tags from {len(ids)} {self.source} files; '
            f'tools/dataset_converters/voc_aug.py writes them to one file',
            logger='current',
        )
        return {name: voc_tags(path) for name, path in zip(ids, paths)}


def find_voc_annotations(
    root: str | Path, ids: Sequence[str], source: str, *, masks: str | Path | None = None
) -> list[str]:
    """Files from which tags are read.

    Args:
        root (str | Path): The folder ``VOC2012``.
        ids (Sequence[str]): Image ids.
        source (str): ``'xml'`` or ``'mask'``.
        masks (str | Path, optional): Folder of the masks. Default: ``SegmentationClassAug`` in
            ``root``.

    Returns:
        list[str]: One path per id.

    Raises:
        FileNotFoundError: The folder or some files are missing. The message says how to get them.
    """
    hint = voc_setup_hint(root)
    if source == 'mask':
        return find_files(
            masks or Path(root, 'SegmentationClassAug'), ids, ('.png',), what='mask', hint=hint
        )
    return find_files(Path(root, 'Annotations'), ids, ('.xml',), what='annotation', hint=hint)
