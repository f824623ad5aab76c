"""Draw results of several methods in a grid with a row per image and a column per folder.

    python tools/analysis_tools/picture_grid.py --images data/toy_shapes/JPEGImages \\
        --column "ground truth=data/toy_shapes/SegmentationClass" \\
        --column CAM=work_dirs/a/cams --column segmentation=work_dirs/a/masks --out grid.png

A folder of masks (<id>.png) gives a column of label maps, a folder of CAM files (<id>.npz) one of
heat maps: of the class of the row with --per-class, else of the largest map at every pixel. The
qualitative figures of the papers use this layout (MCTformer+ 6 to 8 and 10, AReAM 9, ACR 4 to
7, MCC 4 to 6, CoSA 6 and 7).
"""

import argparse
import sys
from pathlib import Path

import numpy as np

from mmwsss.utils.class_lists import COCO_CLASSES, VOC_CLASSES
from mmwsss.utils.cli import run_main
from mmwsss.utils.file_lookup import IMAGE_SUFFIXES, find_files
from mmwsss.utils.io import (
    CAMFile,
    atomic_open,
    read_cam,
    read_id_list,
    read_image,
    read_mask,
)
from mmwsss.utils.processes import require_one_process

CLASSES = dict(voc=VOC_CLASSES, coco=COCO_CLASSES)


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--images', type=Path, required=True, metavar='D', help='folder of photos')
    parser.add_argument(
        '--column',
        action='append',
        required=True,
        metavar='NAME=D',
        help='title and folder of a column, in this order; again for every method',
    )
    parser.add_argument('--ids', nargs='+', metavar='ID', help='images by id, in this order')
    parser.add_argument('--list', type=Path, metavar='F', help='or those of a list')
    parser.add_argument(
        '--num',
        type=int,
        default=6,
        metavar='N',
        help='number of images, evenly spread over the list (default 6)',
    )
    parser.add_argument(
        '--per-class',
        action='store_true',
        help='a row per image and class, heat maps of this class alone',
    )
    parser.add_argument(
        '--classes',
        metavar='NAME|F',
        help='voc, coco or a file with a class a line, background first: names of the rows',
    )
    parser.add_argument(
        '--cell', type=int, default=160, metavar='PX', help='side of a picture (default 160)'
    )
    parser.add_argument('--out', type=Path, required=True, metavar='PNG', help='picture')
    args = parser.parse_args(argv)
    if args.num < 1 or args.cell < 16:
        parser.error('--num must be at least 1, --cell at least 16')
    return args


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    require_one_process()
    # after the arguments: --help and a mistyped option answer at once
    from mmwsss.visualization import draw_picture_grid, encode_image

    if args.out.suffix != '.png':
        raise ValueError(f'--out {args.out}: the picture is a .png')
    columns = read_columns(args.column)
    classes = read_classes(args.classes)
    ids = choose_ids(args, columns)
    paths = find_files(args.images, ids, IMAGE_SUFFIXES, what='image', hint='--images')
    rows = []
    for img_id, path in zip(ids, paths):
        image = np.ascontiguousarray(read_image(path)[..., ::-1])
        found = {name: read_result(folder, img_id) for name, folder in columns.items()}
        keys: list[int | None] = [None]
        if args.per_class:
            maps = [item for item in found.values() if isinstance(item, CAMFile)]
            keys = sorted({int(key) for item in maps for key in item.keys})
        for key in keys:
            label = img_id if key is None else f'{img_id}: {name_of(classes, key)}'
            rows.append((label, [image, *(draw(image, item, key) for item in found.values())]))
    if not rows:
        raise ValueError('--per-class: none of these images has a class activation map')
    picture = draw_picture_grid(['image', *columns], rows, cell=args.cell)
    with atomic_open(args.out) as file:
        file.write(encode_image(picture))
    print(f'{args.out}: {len(rows)} rows, {len(columns) + 1} columns')


def read_columns(words: list[str]) -> dict[str, Path]:
    """Folder of each column by its title.

    Raises:
        ValueError: Malformed, or a title that comes twice.
        FileNotFoundError: No such folder.
    """
    columns: dict[str, Path] = {}
    for word in words:
        name, sign, folder = word.partition('=')
        if not sign or not name:
            raise ValueError(f'--column {word}: expected NAME=FOLDER')
        if name in columns:
            raise ValueError(f'--column {word}: there is a column {name!r} already')
        if not Path(folder).is_dir():
            raise FileNotFoundError(f'--column {word}: folder not found: {folder}')
        columns[name] = Path(folder)
    return columns


def read_classes(name: str | None) -> tuple[str, ...] | None:
    """Class names, background first; None for numbers."""
    if name is None:
        return None
    if name in CLASSES:
        return tuple(CLASSES[name])
    from mmwsss.datasets.class_names import load_class_names

    return load_class_names(name)


def name_of(classes: tuple[str, ...] | None, key: int) -> str:
    """Name of a foreground class id."""
    if classes is None:
        return f'class {key + 1}'
    if key + 1 >= len(classes):
        raise ValueError(f'--classes: {len(classes) - 1} classes, but a map is of class {key + 1}')
    return classes[key + 1]


def choose_ids(args: argparse.Namespace, columns: dict[str, Path]) -> list[str]:
    """The ids that are given, else some that all folders have."""
    if args.ids:
        return list(args.ids)
    if args.list is not None:
        ids = read_id_list(args.list)
    else:
        sets = [
            {file.stem for suffix in ('npz', 'png') for file in folder.glob(f'*.{suffix}')}
            for folder in columns.values()
        ]
        ids = sorted(set.intersection(*sets))
        if not ids:
            raise ValueError('the folders have no image in common: <id>.png or <id>.npz')
    step = max(1, len(ids) // args.num)
    return ids[::step][: args.num]


def read_result(folder: Path, img_id: str) -> CAMFile | np.ndarray:
    """Maps or mask of an image.

    Raises:
        FileNotFoundError: There is neither.
    """
    if (folder / f'{img_id}.npz').is_file():
        return read_cam(folder / f'{img_id}.npz')
    if (folder / f'{img_id}.png').is_file():
        return read_mask(folder / f'{img_id}.png')
    raise FileNotFoundError(f'{folder}: has neither {img_id}.png nor {img_id}.npz')


def draw(image: np.ndarray, result: CAMFile | np.ndarray, key: int | None) -> np.ndarray:
    """A result over its image."""
    from mmwsss.visualization import overlay_cam, overlay_mask

    if not isinstance(result, CAMFile):
        mask = result if key is None else np.where(np.isin(result, (key + 1, 255)), result, 0)
        return overlay_mask(image, mask)
    chosen = slice(None) if key is None else result.keys == key
    maps = result.cam[chosen]
    return overlay_cam(image, maps.max(0) if len(maps) else np.zeros(image.shape[:2], np.float32))


if __name__ == '__main__':
    sys.exit(run_main(main))
