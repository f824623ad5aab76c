"""CAM files to pseudo masks; a rerun continues where an interrupted one stopped."""
import argparse
import sys
from pathlib import Path

import torch
from rich.progress import track

from mmwsss.functional.thresholds import labels_at_threshold
from mmwsss.utils.cli import run_main
from mmwsss.utils.io import read_cam, read_id_list, write_mask

MOST_NAMED = 20


def parse_args():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--cams', type=Path, required=True, metavar='D', help='folder of CAM files <id>.npz')
    parser.add_argument('--images', type=Path, required=True, metavar='D', help='folder of the images')
    parser.add_argument('--out', type=Path, required=True, metavar='D', help='folder of the masks <id>.png')
    parser.add_argument('--list', type=Path, metavar='F', help='image ids, one a line (default: every CAM file)')
    parser.add_argument('--method', choices=('threshold', ), required=True)
    parser.add_argument('--threshold', type=float, default=0.4, metavar='T', help='score of the background in [0,1] (default %(default)s)')
    return parser.parse_args()


def main():
    args = parse_args()
    if not args.cams.is_dir():
        raise FileNotFoundError(f'{args.cams}: folder of CAM files not found; write it with tools/generate_cams.py')
    ids = read_id_list(args.list) if args.list else sorted(path.stem for path in args.cams.glob('*.npz'))
    missing = [img_id for img_id in ids if not (args.cams / f'{img_id}.npz').is_file()]
    if missing or not ids:
        raise FileNotFoundError(f'{args.cams}: {len(missing)} CAM files are missing: {", ".join(missing[:MOST_NAMED])}; run '
                                f'tools/generate_cams.py on the same list')
    pending = [img_id for img_id in ids if not (args.out / f'{img_id}.png').is_file()]
    for img_id in track(pending, description=f'masks by {args.method}'):
        maps = read_cam(args.cams / f'{img_id}.npz')
        keys = torch.from_numpy(maps.keys.astype('int64'))
        write_mask(args.out / f'{img_id}.png', labels_at_threshold(torch.from_numpy(maps.cam).float(), keys, args.threshold).numpy())
    print(f'{args.out}: {len(ids)} masks ({len(ids) - len(pending)} were there)')


if __name__ == '__main__':
    sys.exit(run_main(main))
