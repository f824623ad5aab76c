"""Predict masks of new photos with the networks that `mmwsss photos` has trained.

    mmwsss predict new_pictures --model work_dirs/mine --out predictions

The tool writes <name>.png (mask), <name>_overlay.png (photo and mask with a legend) and
results.json (share of the photo of each class). The segmentation network needs no tags; with
--tags, or --maps, the classifier computes maps and masks of the tags.
"""

import argparse
import runpy
import sys
from pathlib import Path

from mmwsss.utils.cli import run_main
from mmwsss.utils.cli_options import unit_number
from mmwsss.utils.processes import require_one_process


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('photos', nargs='+', help='files, folders, patterns or videos')
    parser.add_argument(
        '--model', type=Path, required=True, metavar='D', help='--out folder of `mmwsss photos`'
    )
    parser.add_argument('--out', type=Path, required=True, metavar='D', help='folder to write to')
    parser.add_argument(
        '--tags', metavar='A,B', help='tags of the photos: maps and masks of the classifier'
    )
    parser.add_argument(
        '--maps', action='store_true', help='maps and masks of the classifier, of predicted tags'
    )
    parser.add_argument(
        '--threshold',
        type=unit_number,
        metavar='T',
        help='background threshold of the maps in [0,1] (default: that of the run)',
    )
    parser.add_argument(
        '--max-side',
        type=int,
        metavar='PX',
        help='larger photos are downscaled for the network, results are scaled back (default: '
        'that of the run)',
    )
    parser.add_argument('--device', help='e.g. cpu or cuda:1 (default: the GPU, if available)')
    args = parser.parse_args(argv)
    if args.threshold is not None and not (args.tags or args.maps):
        parser.error('--threshold belongs to --tags and --maps: the network has none')
    return args


def main() -> None:
    args = parse_args()
    require_one_process()
    # after the arguments: --help and a mistyped option answer at once
    from mmwsss.apis.own_photos import trained_network

    name = 'classifier' if args.tags or args.maps else 'segmentation'
    network = trained_network(args.model, name)
    words = [*args.photos, '--config', network.config, '--checkpoint', network.checkpoint]
    words += ['--out', args.out, '--max-side', args.max_side or network.max_side]
    if name == 'classifier':
        threshold = network.threshold if args.threshold is None else args.threshold
        words += ['--threshold', threshold]
    for option in ('tags', 'device'):
        if getattr(args, option):
            words += [f'--{option}', getattr(args, option)]
    demo = runpy.run_path(str(Path(__file__).with_name('demo.py')), run_name='demo')
    demo['main']([str(word) for word in words])


if __name__ == '__main__':
    sys.exit(run_main(main))
