"""Suggest a background threshold for maps of photos that have no masks.

    python tools/suggest_threshold.py --cams work_dirs/my_cams --images data/my_photos/JPEGImages

The rules are contrast (default), the threshold that best separates the colours of the photos;
mixture, the crossing of two Gaussians that are fitted to the scores; and area, the threshold at
which a given share of the pixels is foreground.
"""

import argparse
import sys
from pathlib import Path

from mmwsss.utils.cli import run_main
from mmwsss.utils.cli_options import choice_of
from mmwsss.utils.processes import require_one_process


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        '--cams', type=Path, required=True, metavar='D', help='folder of CAM files <id>.npz'
    )
    parser.add_argument(
        '--images', type=Path, required=True, metavar='D', help='folder of the photos'
    )
    parser.add_argument('--list', type=Path, metavar='F', help='image ids (default: all CAM files)')
    parser.add_argument(
        '--rule',
        type=choice_of('mmwsss.apis.threshold_suggestion', 'RULES'),
        metavar='NAME',
        help='contrast, mixture or area (default: area where --area is given, else contrast)',
    )
    parser.add_argument(
        '--area',
        type=float,
        metavar='S',
        help='share of a photo that its tagged objects cover, e.g. 0.3',
    )
    parser.add_argument(
        '--raw-pixels', action='store_true', help='ignore the EXIF orientation of photos'
    )
    parser.add_argument('--json', type=Path, metavar='F', help='also write everything to a file')
    return parser.parse_args(argv)


def main() -> None:
    args = parse_args()
    require_one_process()
    # after the arguments: --help and a mistyped option answer at once
    from rich.progress import track

    from mmwsss.apis.threshold_suggestion import suggest, survey_maps
    from mmwsss.utils.file_lookup import IMAGE_SUFFIXES, find_files, list_image_ids
    from mmwsss.utils.io import read_id_list, write_json

    hint = 'Write them with tools/generate_cams.py'
    if args.list:
        ids = read_id_list(args.list)
    else:
        ids = list_image_ids(args.cams, ('.npz',), what='CAM file <id>.npz', hint=hint)
    cams = find_files(args.cams, ids, ('.npz',), what='CAM file', hint=hint)
    photos = find_files(args.images, ids, IMAGE_SUFFIXES, what='image')
    entries = track(list(zip(cams, photos)), description='maps')
    survey = survey_maps(entries, raw_pixels=args.raw_pixels)
    rule = args.rule or ('contrast' if args.area is None else 'area')
    found = suggest(survey, rule=rule, area=args.area)
    others = [f'{name} {value:.2f}' for name, value in found.estimates.items() if name != rule]
    print(
        f'background threshold {found.threshold:.2f} ({rule}'
        + (f'; {", ".join(others)}' if others else '')
        + f'): {found.area:.0%} of a photo is foreground, {found.kept:.0%} of the tags keep an area'
    )
    if args.json:
        curves = {name: values.round(4).tolist() for name, values in found.curves._asdict().items()}
        curves['thresholds'] = survey.thresholds.tolist()
        content = dict(
            threshold=found.threshold,
            rule=rule,
            estimates=found.estimates,
            area=found.area,
            kept=found.kept,
            photos=survey.num_photos,
            curves=curves,
        )
        write_json(args.json, content)


if __name__ == '__main__':
    sys.exit(run_main(main))
