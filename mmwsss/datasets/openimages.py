"""OpenImages-WSOL: images with one class each, with instance masks for evaluation."""

import logging
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from mmengine.logging import print_log

from mmwsss.datasets.image_tags import ImageTagDataset
from mmwsss.registry import DATASETS
from mmwsss.utils.file_lookup import find_files, image_id
from mmwsss.utils.limits import read_text

OPENIMAGES_SPLIT_SIZES = {'train': 29_819, 'val': 2_500, 'test': 5_000}
NUM_CLASSES = 100


@DATASETS.register_module()
class OpenImagesWSOLDataset(ImageTagDataset):
    """OpenImages-WSOL (Choe et al., CVPR 2020; 100 classes, one per image) in the layout of its
    evaluation code.

    An item's information is that of :class:`ImageTagDataset`; **in test mode** an image of ``val``
    or ``test`` also has ``mask_paths`` (instances of its class) and ``ignore_path`` (None without
    one), for :class:`LoadWSOLMask`.

    Args:
        split (str): ``'train'`` (29,819 images, no masks), ``'val'`` (2,500) or ``'test'`` (5,000).
        data_root (str): Folder with ``train``, ``val``, ``test`` and ``metadata``.
        metadata (str): Folder with ``<split>/image_ids.txt``, ``class_labels.txt`` and
            ``localization.txt``, relative to ``data_root``.
        data_prefix (dict, optional): Roots of the paths in the lists, relative to ``data_root``:
            ``img_path`` for images, ``seg_map_path`` for masks (None: no masks). Default:
            ``data_root`` itself.
        ann_file (str): Default: ``image_ids.txt`` of the split.
        classes (Sequence[str] | str, optional): Names, background first, or a file of them.
            Default: the folders of the images (the machine ids of OpenImages).
        test_mode (bool): Whether the data set is used for evaluation.
        kwargs: See :class:`ImageTagDataset`.

    Raises:
        FileNotFoundError: A list, image or mask is missing. The message lists the expected files
            and their places.
        ValueError: The split is unknown, or a line has an unexpected form. The message names file
            and line.
    """

    def __init__(
        self,
        *,
        split: str = 'train',
        data_root: str = 'data/openimages',
        metadata: str = 'metadata',
        data_prefix: dict[str, Any] | None = None,
        ann_file: str = '',
        classes: Sequence[str] | str | None = None,
        test_mode: bool = False,
        **kwargs: Any,
    ) -> None:
        if split not in OPENIMAGES_SPLIT_SIZES:
            raise ValueError(f'split={split!r}: choose from {", ".join(OPENIMAGES_SPLIT_SIZES)}')
        self.split = split
        prefix = {'img_path': '', 'seg_map_path': '', **(data_prefix or {})}
        self.mask_root = (
            None if prefix['seg_map_path'] is None else Path(data_root, prefix['seg_map_path'])
        )
        self.lists = Path(data_root, metadata, split)
        self.setup_hint = openimages_setup_hint(data_root)
        if classes is None:
            classes = _folder_names(self._read_labels())
        kwargs.setdefault('raw_pixels', True)
        super().__init__(
            data_root=data_root,
            data_prefix={'img_path': prefix['img_path']},
            ann_file=ann_file or str(Path(metadata, split, 'image_ids.txt')),
            tags_file=str(Path(metadata, split, 'class_labels.txt')),
            classes=classes,
            test_mode=test_mode,
            setup_hint=self.setup_hint,
            **kwargs,
        )

    def load_data_list(self) -> list[dict[str, Any]]:
        """See :meth:`ImageTagDataset.load_data_list`."""
        infos = super().load_data_list()
        expected = OPENIMAGES_SPLIT_SIZES[self.split]
        if len(infos) != expected:
            print_log(
                f'{self.ann_file}: {len(infos)} images, OpenImages-WSOL {self.split} has '
                f'{expected}',
                logger='current',
                level=logging.WARNING,
            )
        if self.test_mode and self.split != 'train' and self.mask_root is not None:
            self._add_masks(infos)
        return infos

    def read_tag_names(self) -> dict[str, list[str]]:
        """The one class of each image."""
        return {
            name: [self._metainfo['classes'][label + 1]]
            for name, label in self._read_labels().items()
        }

    def _read_labels(self) -> dict[str, int]:
        """Image file -> 0-based class."""
        table = {}
        for number, (name, label) in self._rows('class_labels.txt', 2):
            if not label.isdigit() or int(label) >= NUM_CLASSES:
                raise ValueError(
                    f'{self.lists / "class_labels.txt"}, line {number}: {label!r} is not a '
                    f'class number 0..{NUM_CLASSES - 1}'
                )
            table[name] = int(label)
        return table

    def _add_masks(self, infos: list[dict[str, Any]]) -> None:
        """Add ``mask_paths`` and ``ignore_path``."""
        masks, ignored = self._read_masks()
        without = [info['img_id'] for info in infos if info['img_id'] not in masks]
        if without:
            raise ValueError(
                f'{self.lists / "localization.txt"}: {len(without)} images have no mask: '
                f'{", ".join(without[:20])}'
            )
        names = list(chain.from_iterable(masks[info['img_id']] for info in infos))
        names += [ignored[info['img_id']] for info in infos if info['img_id'] in ignored]
        root = str(self.mask_root)
        files = find_files(root, names, ('.png',), what='mask', hint=self.setup_hint)
        paths = dict(zip(names, files))
        for info in infos:
            info['mask_paths'] = [paths[name] for name in masks[info['img_id']]]
            info['ignore_path'] = paths.get(ignored.get(info['img_id'], ''))

    def _read_masks(self) -> tuple[dict[str, list[str]], dict[str, str]]:
        """Id -> masks of its instances, and id -> mask of the ignored region."""
        masks: dict[str, list[str]] = {}
        ignored: dict[str, str] = {}
        for _, (name, mask, ignore) in self._rows('localization.txt', 3):
            key = image_id(name)
            masks.setdefault(key, []).append(mask)
            if ignore:
                ignored[key] = ignore
        return masks, ignored

    def _rows(self, file: str, fields: int) -> Iterator[tuple[int, list[str]]]:
        """Number and fields of each line of a list."""
        path = self.lists / file
        self._require(path, f'list of OpenImages-WSOL ({fields} fields a line)')
        for number, line in enumerate(read_text(path, 'list').splitlines(), 1):
            if line.strip():
                row = [field.strip() for field in line.split(',')]
                if len(row) != fields:
                    raise ValueError(
                        f'{path}, line {number}: expected {fields} fields, found {line!r}'
                    )
                yield number, row


def _folder_names(labels: dict[str, int]) -> list[str]:
    """Class names, background first: the folder of each class, ``class <number>`` for a class
    without images.
    """
    names = {label: Path(name).parent.name for name, label in labels.items()}
    return ['background', *(names.get(label) or f'class {label}' for label in range(NUM_CLASSES))]


def openimages_setup_hint(root: str | Path) -> str:
    """Expected files of OpenImages-WSOL and their places."""
    return (
        f'OpenImages-WSOL is expected in {root}: the images train, val and test, with the masks '
        f'of val and test beside them, and the '
        f'lists metadata/{{train,val,test}}/{{image_ids,class_labels,localization}}.txt, all as '
        f'github.com/clovaai/wsolevaluation '
        'prepares them (its metadata/OpenImages is copied to metadata)'
    )
