"""Images with tags: a folder of images and a table of the classes that each of them shows."""

import difflib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from mmengine.dataset import BaseDataset

from mmwsss.datasets.class_names import class_metainfo
from mmwsss.datasets.seeded_items import SeededItems
from mmwsss.registry import DATASETS
from mmwsss.utils.file_lookup import IMAGE_SUFFIXES, as_suffixes, find_files, image_id
from mmwsss.utils.io import read_id_list, read_tags


@DATASETS.register_module()
class ImageTagDataset(SeededItems, BaseDataset):
    """Images and their tags, the only supervision of a weakly supervised model.

    An item's information (before the pipeline) holds ``img_id``, ``img_path``, ``gt_tags`` (0-based
    class ids, background excluded), ``num_tags`` (C), ``sample_idx``, and, **in test mode only**,
    ``seg_map_path``. In training mode the folder of masks is dropped from the settings, so that no
    transform can read a mask.

    Args:
        data_root (str): Root of the other paths.
        data_prefix (dict, optional): ``img_path``: folder of the images; ``seg_map_path``: folder
            of the masks, used in test mode only. Default: ``img_path='JPEGImages'``, no masks.
        ann_file (str): List of the image ids to use. Default: every image of the tag file.
        tags_file (str, optional): CSV or JSON, see :func:`mmwsss.utils.io.read_tags`. None, in test
            mode, for images without tags.
        classes (Sequence[str] | str, optional): Class names, background first, a ``classes.txt``,
            or ``'voc'`` or ``'coco'``; may also be ``metainfo['classes']``. Default: background and
            the sorted tags of the tag file.
        metainfo (dict, optional): Further meta information.
        img_suffix (str | Sequence[str]): Suffixes of the images, tried in order; an id may include
            its extension.
        seg_map_suffix (str): Suffix of the masks.
        raw_pixels (bool): Read images without their EXIF orientation, as expected by the
            annotations of VOC, SBD and COCO; other photos are read as viewers show them.
        max_side (int, optional): Photos with a longer side are downscaled when they are read; maps
            are scaled back to the photo. This limits memory and time for large photos.
        pipeline (Sequence[dict | Callable]): Transforms.
        test_mode (bool): Whether the data set is used for evaluation or inference.
        setup_hint (str): Source of the data, appended to the message when files are missing.
        loading: ``indices``, use only these images (a number: the first ones); ``serialize_data``,
            keep the list as bytes that worker processes share (default True); ``lazy_init``, read
            no list until the first use.

    Raises:
        FileNotFoundError: A folder, list, image or mask (test mode) does not exist. The message
            names up to 20 files.
        ValueError: A tag is unknown, an image is listed twice or has no row in the tag file, or a
            class name is invalid. The message names file and value.
    """

    def __init__(
        self,
        *,
        data_root: str = '',
        data_prefix: dict[str, Any] | None = None,
        ann_file: str = '',
        tags_file: str | None = 'image_tags.csv',
        classes: Sequence[str] | str | None = None,
        metainfo: dict[str, Any] | None = None,
        img_suffix: str | Sequence[str] = IMAGE_SUFFIXES,
        seg_map_suffix: str = '.png',
        raw_pixels: bool = False,
        max_side: int | None = None,
        pipeline: Sequence[dict[str, Any]] = (),
        test_mode: bool = False,
        setup_hint: str = '',
        **loading: Any,
    ) -> None:
        self.setup_hint = setup_hint
        self.raw_pixels = raw_pixels
        self.max_side = max_side
        self.img_suffix = as_suffixes(img_suffix)
        self.seg_map_suffix = seg_map_suffix
        if tags_file is None and not test_mode:
            raise ValueError('tags_file=None: training needs image tags')
        self.tags_file = None if tags_file is None else str(Path(data_root or '', tags_file))
        metainfo = dict(metainfo or {})
        classes = metainfo.pop('classes', None) if classes is None else classes
        if classes is None and 'classes' not in self.METAINFO:
            classes = self._classes_from_tags()
        if classes is not None:
            metainfo = class_metainfo(metainfo, classes, data_root)
        prefix = {'img_path': 'JPEGImages'} if data_prefix is None else dict(data_prefix)
        if not test_mode:
            prefix.pop('seg_map_path', None)
        super().__init__(
            ann_file=ann_file or '',
            metainfo=metainfo,
            data_root=data_root,
            data_prefix={key: folder for key, folder in prefix.items() if folder is not None},
            pipeline=list(pipeline),
            test_mode=test_mode,
            max_refetch=0,
            **loading,
        )
        # named in the protocol of every metric; MMEngine interprets a string in `metainfo` as a
        # file
        self._metainfo['split'] = getattr(self, 'split', None) or (
            Path(ann_file).stem if ann_file else 'all'
        )

    @property
    def num_tags(self) -> int:
        """int: C, number of classes without background."""
        return len(self._metainfo['classes']) - 1

    def load_data_list(self) -> list[dict[str, Any]]:
        """Read lists and tags and find the files.

        Returns:
            list[dict]: ``img_id``, ``img_path``, ``gt_tags`` and, in test mode with masks,
            ``seg_map_path`` of each image.
        """
        if self.ann_file:
            self._require(self.ann_file, 'image list (one id per line)')
        rows = self._load_tag_ids()
        names = self._listed_names(rows)
        ids = list(names)
        # a name with its extension takes precedence, because it is more precise
        written = [
            rows[key][0] if rows is not None and names[key] == key else names[key] for key in ids
        ]
        folder = self.data_prefix['img_path']
        images = find_files(folder, written, self.img_suffix, what='image', hint=self.setup_hint)
        infos: list[dict[str, Any]] = [
            {'img_id': key, 'img_path': path} for key, path in zip(ids, images)
        ]
        if rows is not None:
            for info in infos:
                info['gt_tags'] = rows[info['img_id']][1]
        if self.test_mode and 'seg_map_path' in self.data_prefix:
            folder, suffixes = self.data_prefix['seg_map_path'], (self.seg_map_suffix,)
            masks = find_files(folder, ids, suffixes, what='mask', hint=self.setup_hint)
            for info, path in zip(infos, masks):
                info['seg_map_path'] = path
        return infos

    def _listed_names(self, rows: dict[str, tuple[str, Any]] | None) -> dict[str, str]:
        """Id -> name as written, for the images of the list or, without one, of the tag file."""
        if self.ann_file:
            names = self._by_id(read_id_list(self.ann_file), self.ann_file)
        elif rows is not None:
            names = {key: name for key, (name, _) in rows.items()}
        else:
            raise ValueError(
                f'{type(self).__name__}: without a tag file the images must be listed in ann_file'
            )
        if not names:
            raise ValueError(f'{self.tags_file}: the tag file names no image')
        without = [] if rows is None else [key for key in names if key not in rows]
        if without:
            raise ValueError(
                f'{self.tags_file}: {len(without)} images of {self.ann_file} have no row: '
                f'{", ".join(without[:20])}; '
                'add them (with an empty second field if nothing is tagged)'
            )
        return names

    def read_tag_names(self) -> dict[str, list[str]] | None:
        """Tag names of each image, or None without tags. Subclasses with another source override
        this method.

        Returns:
            dict[str, list[str]] | None: Tags by name, where a name may include an extension.
        """
        if self.tags_file is None:
            return None
        self._require(self.tags_file, 'tag file (CSV with the header "image,tags", or JSON)')
        return read_tags(self.tags_file)

    def get_data_info(self, idx: int) -> dict[str, Any]:
        """Information of item ``idx``, with the number of classes without background as
        ``num_tags``.
        """
        info = super().get_data_info(idx)
        info['num_tags'] = self.num_tags
        return info

    def get_cat_ids(self, idx: int) -> list[int]:
        """Tags of item ``idx``, 0-based (requested by
        :class:`mmengine.dataset.ClassBalancedDataset`).
        """
        return self.get_data_info(idx)['gt_tags']

    def _load_tag_ids(self) -> dict[str, tuple[str, list[int]]] | None:
        """Id -> (name as written, sorted 0-based class ids), or None without tags."""
        table = self.read_tag_names()
        if table is None:
            return None
        index = {name: number for number, name in enumerate(self._metainfo['classes'][1:])}
        rows = {}
        for key, name in self._by_id(table, self.tags_file).items():
            wrong = [tag for tag in table[name] if tag not in index]
            if wrong:
                near = difflib.get_close_matches(wrong[0], index, 1)
                fix = f'did you mean {near[0]!r}?' if near else f'classes are {", ".join(index)}'
                raise ValueError(
                    f'{self.tags_file}: image {name!r} has the tag {wrong[0]!r}, which is not a '
                    f'known class; {fix}'
                )
            rows[key] = name, sorted({index[tag] for tag in table[name]})
        return rows

    def _by_id(self, names: Iterable[str], file: str | None) -> dict[str, str]:
        """Id without extension -> name as written.

        Raises:
            ValueError: Two names have the same id, so that their result files would be the same.
        """
        table: dict[str, str] = {}
        for name in names:
            key = image_id(name, self.img_suffix)
            if key in table:
                raise ValueError(
                    f'{file}: {table[key]!r} and {name!r} are the same image id {key!r}; rename '
                    f'one of them'
                )
            table[key] = name
        return table

    def _require(self, file: str | Path, what: str) -> None:
        if not Path(file).is_file():
            raise FileNotFoundError(
                f'{file}: {what} not found' + (f'. {self.setup_hint}' if self.setup_hint else '')
            )

    def _classes_from_tags(self) -> tuple[str, ...]:
        if self.tags_file is None:
            raise ValueError(f'{type(self).__name__}: without a tag file the classes must be given')
        table = self.read_tag_names() or {}
        tags = sorted(set().union(*table.values()) - {'background'})
        if not tags:
            raise ValueError(f'{self.tags_file}: no image has a tag, so there are no classes')
        return ('background', *tags)
