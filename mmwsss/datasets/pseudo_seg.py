"""Segmentation data with pseudo masks instead of annotated ones."""

import inspect
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from mmseg.datasets import BaseSegDataset
from mmseg.datasets.transforms import PackSegInputs

from mmwsss.datasets.class_names import class_metainfo
from mmwsss.datasets.seeded_items import SeededItems
from mmwsss.registry import DATASETS
from mmwsss.utils.file_lookup import (
    IMAGE_SUFFIXES,
    as_suffixes,
    find_files,
    generated_folder,
    listed_images,
)
from mmwsss.utils.io import read_mask

PACKED = (*inspect.signature(PackSegInputs).parameters['meta_keys'].default, 'img_id')
MOST_SAMPLED = 32  # masks that are checked for black-and-white values


@DATASETS.register_module()
class PseudoSegDataset(SeededItems, BaseSegDataset):
    """Images and label maps for a segmentation model: pseudo masks in training, ground truth in
    test mode.

    An item's information holds ``img_id``, ``img_path``, ``seg_map_path`` (the pseudo mask in
    training; the ground truth in test mode, if its folder is given), ``num_tags`` (classes without
    background) and the entries that MMSegmentation's transforms need.

    Args:
        data_root (str): Root of the other paths.
        data_prefix (dict): ``img_path``; ``pseudo_mask_path``: folder of the pseudo masks, relative
            to ``data_root`` if it is found there, else to the working directory; ``seg_map_path``:
            folder of the ground-truth masks, used in test mode only.
        ann_file (str): List of the image ids. Default: every image of the folder.
        classes (Sequence[str] | str, optional): Class names, background first, a ``classes.txt``,
            or ``'voc'`` or ``'coco'``; may also be ``metainfo['classes']``.
        metainfo (dict, optional): Further meta information.
        img_suffix (str | Sequence[str]): Suffixes of the images, tried in order.
        seg_map_suffix (str): Suffix of the masks.
        raw_pixels (bool): Read images without their EXIF orientation, as expected by the
            annotations of VOC, SBD and COCO; other photos are read as viewers show them.
        pipeline (Sequence[dict | Callable]): Transforms.
        test_mode (bool): Whether the data set is used for evaluation or inference.
        loading: ``indices``, ``serialize_data`` and ``lazy_init`` of
            :class:`mmengine.dataset.BaseDataset`.

    Raises:
        FileNotFoundError: Images or masks do not exist. The message names up to 20 of them.
        ValueError: No classes are given, or no folder of pseudo masks in training.
    """

    def __init__(
        self,
        *,
        data_root: str = '',
        data_prefix: dict[str, str] | None = None,
        ann_file: str = '',
        classes: Sequence[str] | str | None = None,
        metainfo: dict[str, Any] | None = None,
        img_suffix: str | Sequence[str] = IMAGE_SUFFIXES,
        seg_map_suffix: str = '.png',
        raw_pixels: bool = False,
        pipeline: Sequence[dict[str, Any]] = (),
        test_mode: bool = False,
        **loading: Any,
    ) -> None:
        self.raw_pixels = raw_pixels
        prefix = {'img_path': 'JPEGImages', **(data_prefix or {})}
        pseudo = prefix.pop('pseudo_mask_path', None)
        if not test_mode:
            if pseudo is None:
                raise ValueError(
                    "PseudoSegDataset: data_prefix needs 'pseudo_mask_path', the folder of the "
                    'pseudo masks, in training'
                )
            prefix['seg_map_path'] = generated_folder(data_root or '', pseudo)
        metainfo = dict(metainfo or {})
        classes = metainfo.pop('classes', None) if classes is None else classes
        classes = self.METAINFO.get('classes') if classes is None else classes
        if classes is None:
            raise ValueError(
                'PseudoSegDataset: give the class names, background first (classes=[...] or a '
                'classes.txt)'
            )
        metainfo = class_metainfo(metainfo, classes, data_root)
        super().__init__(
            ann_file=ann_file or '',
            img_suffix=as_suffixes(img_suffix),
            seg_map_suffix=seg_map_suffix,
            metainfo=metainfo,
            data_root=data_root or '',
            data_prefix={key: folder for key, folder in prefix.items() if folder is not None},
            pipeline=[_with_id(step) for step in pipeline],
            test_mode=test_mode,
            max_refetch=0,
            **loading,
        )
        # named in the protocol of every metric
        self._metainfo['split'] = Path(ann_file).stem if ann_file else 'all'

    def load_data_list(self) -> list[dict[str, Any]]:
        """Read the list and find the files.

        Returns:
            list[dict]: Information of each image.
        """
        ids, images = listed_images(self.data_prefix['img_path'], self.ann_file, self.img_suffix)
        infos = [
            {
                'img_id': key,
                'img_path': path,
                'num_tags': len(self._metainfo['classes']) - 1,
                'label_map': self.label_map,
                'reduce_zero_label': self.reduce_zero_label,
                'seg_fields': [],
            }
            for key, path in zip(ids, images)
        ]
        if 'seg_map_path' in self.data_prefix:
            what, hint = (
                ('mask', '')
                if self.test_mode
                else (
                    'pseudo mask',
                    'Make them first: tools/run_pipeline.py, or tools/generate_cams.py and '
                    'tools/refine_cams.py',
                )
            )
            masks = find_files(
                self.data_prefix['seg_map_path'], ids, (self.seg_map_suffix,), what=what, hint=hint
            )
            for info, path in zip(infos, masks):
                info['seg_map_path'] = path
            if not self.test_mode:
                self._ask_about_white(masks)
        return infos

    def _ask_about_white(self, masks: list[str]) -> None:
        """Reject black-and-white masks of one class, in which every object would be ignored."""
        answered = any(
            getattr(step, 'white', None) is not None for step in self.pipeline.transforms
        )
        if answered or len(self._metainfo['classes']) != 2:
            return
        sample = masks[:: max(1, len(masks) // MOST_SAMPLED)]
        found = set().union(*(np.unique(read_mask(path)).tolist() for path in sample))
        if found == {0, 255}:
            raise ValueError(
                f'{self.data_prefix["seg_map_path"]}: these masks are black and white (0 and 255), '
                f'and 255 means "ignore": no {self._metainfo["classes"][1]} would be learnt. If '
                f'white is the object, write class ids 0 and 1 or set white=1 of mmwsss.LoadMask'
            )


def _with_id(step: Any) -> Any:
    """Build a transform. MMSegmentation's packing keeps ``img_id``, by which results are named,
    because photos in different subfolders may have the same file name.
    """
    if isinstance(step, list | tuple):
        return [_with_id(part) for part in step]
    if not isinstance(step, dict):
        return step
    if step.get('type') in ('PackSegInputs', 'mmseg.PackSegInputs', PackSegInputs):
        return {'meta_keys': PACKED, **step}
    return {**step, 'transforms': _with_id(step['transforms'])} if 'transforms' in step else step
