"""A COCO 2014 folder of few images, with instances of every kind."""

import json

import numpy as np
import pytest
from PIL import Image

codes = pytest.importorskip('pycocotools.mask')
SIZE = (40, 60)  # H, W
CATEGORIES = {1: 'person', 13: 'stop sign', 44: 'bottle', 90: 'toothbrush'}


def square(y, x, side):
    """Polygon of a square."""
    return [float(value) for value in (x, y, x + side, y, x + side, y + side, x, y + side)]


def crowd_of(mask):
    """Uncompressed run lengths of a (H,W) mask, as COCO writes crowds: column by column, starting
    with zeros.
    """
    flat = mask.T.ravel().astype(np.int8)
    edges = np.flatnonzero(np.diff(flat)) + 1
    counts = np.diff([0, *edges, flat.size]).tolist()
    return {'counts': counts if not flat[0] else [0, *counts], 'size': list(mask.shape)}


def instance(number, image, category, segmentation, crowd=0):
    """An annotation; its area is that of its mask."""
    rle = (
        codes.merge(codes.frPyObjects(segmentation, *SIZE))
        if isinstance(segmentation, list)
        else codes.frPyObjects(segmentation, *SIZE)
    )
    return {
        'id': number,
        'image_id': image,
        'category_id': category,
        'segmentation': segmentation,
        'iscrowd': crowd,
        'area': float(codes.area(rle)),
        'bbox': [0, 0, 1, 1],
    }


def stem(split, number):
    return f'COCO_{split}2014_{number:012d}'


def make_coco_tree(root):
    """Three training images (one without annotation), one validation image. Returns ``root``."""
    field = np.zeros(SIZE, bool)
    field[30:, :50] = True
    annotations = {
        'train': [
            instance(1, 9, 1, [square(5, 5, 20)]),
            instance(2, 25, 90, [square(0, 0, 8), square(20, 30, 8)]),
            instance(3, 9, 44, [square(10, 10, 8)]),
            instance(4, 9, 13, crowd_of(field), 1),
        ],
        'val': [instance(5, 42, 13, [square(2, 2, 30)])],
    }
    for split, numbers in {'train': (25, 9, 30), 'val': (42,)}.items():
        (root / f'{split}2014').mkdir(parents=True)
        images = [
            {
                'id': number,
                'file_name': f'{stem(split, number)}.jpg',
                'height': SIZE[0],
                'width': SIZE[1],
            }
            for number in numbers
        ]
        for image in images:
            Image.fromarray(np.full((*SIZE, 3), 90, np.uint8)).save(
                root / f'{split}2014' / image['file_name']
            )
        write_annotations(
            root,
            split,
            {
                'info': {'description': 'Größe {"images": []}', 'version': '1.0'},
                'images': images,
                'licenses': [{'id': 1}],
                'annotations': annotations[split],
                'categories': [{'id': number, 'name': name} for number, name in CATEGORIES.items()],
            },
        )
    return root


def annotation_file(root, split):
    return root / 'annotations' / f'instances_{split}2014.json'


def write_annotations(root, split, content):
    annotation_file(root, split).parent.mkdir(exist_ok=True)
    annotation_file(root, split).write_text(
        json.dumps(content, ensure_ascii=False), encoding='utf-8'
    )


def change_annotations(root, split, change):
    """Apply ``change`` to the content of a file."""
    content = json.loads(annotation_file(root, split).read_text(encoding='utf-8'))
    change(content)
    write_annotations(root, split, content)
