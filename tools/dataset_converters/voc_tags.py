"""Write the image tags of PASCAL VOC 2012 as one CSV, from the object annotations or from the masks, and count images and tags."""
import mmwsss  # noqa: F401, I001  first: checks the installation
import argparse
import signal
import sys
from collections import Counter
from multiprocessing import Pool
from pathlib import Path

from rich.console import Console
from rich.progress import track

from mmwsss.datasets.voc import VOC_CLASSES, VOC_SPLIT_SIZES, find_voc_annotations, voc_setup_hint, voc_tags
from mmwsss.utils.cli import run_main
from mmwsss.utils.io import read_id_list, write_tags
from mmwsss.utils.tables import text_table


def parse_args(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument('--voc-root', default='data/VOCdevkit/VOC2012', metavar='D', help='folder with JPEGImages, Annotations, ImageSets')
    parser.add_argument('--split', nargs='+', default=['train_aug', 'val'], metavar='S', choices=['train_aug', 'train', 'val'],
                        help='splits in one file: train_aug, train, val')
    parser.add_argument('--source', choices=['xml', 'mask'], default='xml', help='object annotations, or classes of the masks')
    parser.add_argument('--out', metavar='F', help='CSV file (default: image_tags.csv in the VOC folder)')
    parser.add_argument('--workers', type=int, default=4, help='processes')
    return parser.parse_args(argv)


def main(argv=None):
    args = parse_args(argv)
    root = Path(args.voc_root)
    lists = {}
    for split in args.split:
        file = root / 'ImageSets' / 'Segmentation' / f'{split}.txt'
        if not file.is_file():
            raise FileNotFoundError(f'{file}: image list not found. {voc_setup_hint(root)}')
        lists[split] = read_id_list(file)
    ids = list(dict.fromkeys(name for names in lists.values() for name in names))
    paths = find_voc_annotations(root, ids, args.source)
    title, console = f'tags from {args.source}', Console(stderr=True)
    if args.workers > 1:
        with Pool(args.workers, signal.signal, (signal.SIGINT, signal.SIG_IGN)) as pool:
            tags = dict(zip(ids, track(pool.imap(voc_tags, paths, chunksize=32), title, len(ids), console=console)))
    else:
        tags = dict(zip(ids, map(voc_tags, track(paths, title, console=console))))
    out = Path(args.out) if args.out else root / 'image_tags.csv'
    write_tags(out, tags)
    counts = {split: Counter(tag for name in names for tag in tags[name]) for split, names in lists.items()}
    rows = [[name, *(counts[split][name] for split in lists)] for name in VOC_CLASSES[1:]]
    rows += [['all tags', *(sum(counts[split].values()) for split in lists)], ['images', *map(len, lists.values())],
             ['without tag', *(sum(not tags[name] for name in names) for names in lists.values())]]
    print(text_table(['class', *lists], rows))
    for split, names in lists.items():
        if len(names) != VOC_SPLIT_SIZES[split]:
            print(f'note: {split} has {len(names)} images, the official list {VOC_SPLIT_SIZES[split]}')
    print(f'wrote {out}: {len(tags)} images')


if __name__ == '__main__':
    sys.exit(run_main(main))
