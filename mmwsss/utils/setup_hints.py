"""Where the files of the benchmarks are expected, and the official sizes of the splits of VOC."""

import shlex
from pathlib import Path

VOC_SPLIT_SIZES = {'train_aug': 10582, 'train': 1464, 'val': 1449, 'test': 1456}


def voc_setup_hint(root: str | Path) -> str:
    """Downloads for VOC 2012 and their places."""
    return (
        f'VOC 2012 is expected in {root}: JPEGImages, Annotations and ImageSets from '
        f'VOCtrainval_11-May-2012.tar of '
        'http://host.robots.ox.ac.uk/pascal/VOC/voc2012/ (test images: its evaluation server), '
        'the masks SegmentationClassAug '
        '(VOC and SBD in one folder, 12,031 PNG, as published for DeepLab), and the list of '
        '10,582 ids as '
        'ImageSets/Segmentation/train_aug.txt; check, or make both from SBD, with '
        f'`python tools/dataset_converters/voc_aug.py {shlex.quote(str(root))}`'
    )


def coco_setup_hint(root: str | Path) -> str:
    """Expected files of COCO 2014 and their places."""
    return (
        f'COCO 2014 is expected in {root}: JPEGImages (train2014 and val2014 of cocodataset.org), '
        f'ImageSets/Segmentation/train.txt and '
        f'val.txt, image_tags.csv with the category names of the instance annotations, and '
        f'SegmentationClass (palette PNG, 0 '
        f'background, 1..80 categories in the order of their ids) for evaluation; put train2014, '
        f'val2014 and annotations there and run '
        f'`python tools/dataset_converters/coco14.py {shlex.quote(str(root))}`'
    )
