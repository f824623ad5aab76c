"""Compute masks of your own photos from their tags, and train a segmentation network.

    mmwsss photos my_pictures --tags my_tags.csv --out work_dirs/mine

The command checks photos and tags, trains a classifier, computes maps and masks, trains a network
that needs no tags, and writes report.html with an audit of the tags. It estimates time and memory
before the start; a rerun continues where an interrupted one stopped.
"""

import argparse
import signal
import sys
from pathlib import Path

from mmwsss.utils.cli import run_main
from mmwsss.utils.cli_options import unit_number
from mmwsss.utils.processes import require_one_process
from mmwsss.utils.tool_options import add_tag_name_arguments


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('folder', type=Path, help='folder of the photos')
    parser.add_argument(
        '--tags',
        type=Path,
        metavar='F',
        help='table or annotations, see docs/user_guides/own_data.md (default: the folder '
        'contains a folder of photos for each tag)',
    )
    parser.add_argument(
        '--out', type=Path, required=True, metavar='D', help='folder of the results'
    )
    add_tag_name_arguments(parser)
    parser.add_argument(
        '--max-side',
        type=int,
        metavar='PX',
        help='larger photos are downscaled for the networks, masks are scaled back (default 320, '
        'which the small networks were measured with)',
    )
    parser.add_argument(
        '--epochs',
        type=int,
        metavar='N',
        help='epochs of the classifier (default: chosen by the number of photos)',
    )
    parser.add_argument(
        '--iterations',
        type=int,
        metavar='N',
        help='iterations of the segmentation network (default 800)',
    )
    parser.add_argument(
        '--threshold',
        type=unit_number,
        metavar='T',
        help='background threshold of the maps in [0,1] (default: suggested from the maps)',
    )
    parser.add_argument(
        '--small',
        action='store_true',
        help='start from random weights even if the package of ImageNet weights is installed',
    )
    parser.add_argument(
        '--config', metavar='C', help='another pipeline config with the recipe own_photos'
    )
    parser.add_argument(
        '--dry-run', action='store_true', help='only check, and estimate time and memory'
    )
    parser.add_argument(
        '--from', dest='start', metavar='STAGE', help='run this stage and all later ones again'
    )
    parser.add_argument(
        '--redo-changed',
        action='store_true',
        help='delete finished stages that were made with other settings or inputs and run them '
        'again (default: such a stage is an error)',
    )
    parser.add_argument('--workers', type=int, default=4, help='processes that check photos')
    args = parser.parse_args(argv)
    for name in ('max_side', 'epochs', 'iterations'):
        value = getattr(args, name)
        if value is not None and value < (32 if name == 'max_side' else 1):
            parser.error(f'--{name.replace("_", "-")} {value} is too small')
    return args


def main() -> int:
    args = parse_args()
    require_one_process()
    # after the arguments: --help and a mistyped option answer at once
    from mmwsss.apis import own_photos
    from mmwsss.apis.pipeline import StageFailed
    from mmwsss.apis.pipeline_report import finish_pipeline
    from mmwsss.apis.setup_check import pipeline_weights
    from mmwsss.apis.weights import check_weights
    from mmwsss.preparation.check_report import CheckReport
    from mmwsss.preparation.class_map import renamed_tags
    from mmwsss.preparation.photo_set import read_photo_set, write_photo_set
    from mmwsss.utils.io import write_json

    # so that the stage that runs is stopped too
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    tags, data = args.tags or args.folder, args.out / 'data'
    report = CheckReport(f'tags of {tags}')
    side = args.max_side or own_photos.WORKING_SIDE
    kind, photos = read_photo_set(
        tags,
        args.folder,
        data,
        report,
        renamed=renamed_tags(args.rename, args.class_map, args.level),
        separator=args.separator,
        workers=args.workers,
        max_side=side,
    )
    report.publish()
    if report.num_problems:
        return 1
    print(
        f'{kind}: {len(photos.table)} photos, {len(photos.classes)} classes: '
        f'{", ".join(photos.classes)}'
    )
    pipeline = make_pipeline(args, photos, data)
    check_weights(pipeline_weights(pipeline))
    print_estimate(pipeline, photos, side)
    if args.dry_run:
        return 0
    report.write(args.out / 'tags.txt')
    write_photo_set(data, photos, max_side=side)
    threshold = 'suggested' if args.threshold is None else args.threshold
    write_json(args.out / 'photos.json', dict(max_side=side, threshold=threshold))
    try:
        summary = pipeline.run(start=args.start, redo_changed=args.redo_changed)
    except StageFailed as error:
        raise ValueError(str(error)) from error
    own_photos.write_photo_masks(photos, args.out / 'masks', args.out / 'photo_masks')
    finish_pipeline(pipeline, summary)
    print(
        f'masks:   {args.out / "photo_masks"}, in the sizes of the photos\n'
        f'next:    mmwsss predict NEW_PHOTOS --model {args.out} --out predictions'
    )
    return 0


def make_pipeline(args, photos, data):
    """The pipeline with the classes and the length that fit the photos."""
    from mmwsss.apis import own_photos
    from mmwsss.apis.pipeline import Pipeline
    from mmwsss.utils.package_files import package_root

    small = True if args.small else None
    config = args.config
    if config is None:
        name = own_photos.pipeline_name(small)
        small = 'small' in name
        config = package_root() / 'configs' / 'pipelines' / name
        if small and not args.small:
            print(own_photos.SMALL)
    options = own_photos.pipeline_options(photos, epochs=args.epochs, small=bool(small))
    for name in ('iterations', 'threshold'):
        if getattr(args, name) is not None:
            options[name] = getattr(args, name)
    return Pipeline(config, work_dir=args.out, options=dict(options, data=str(data)))


def print_estimate(pipeline, photos, side):
    """Time and memory of what is still to be done.

    Raises:
        ValueError: It does not fit into memory; names the option.
    """
    import torch
    from mmengine.device import get_device

    from mmwsss.apis.own_photos import estimate_stages
    from mmwsss.utils.memory import available_memory
    from mmwsss.utils.tables import text_table

    costs = estimate_stages(pipeline, photos, side)
    if not costs:
        return
    rows = [(cost.name, cost.seconds / 60, cost.bytes / 2**30) for cost in costs]
    peak = max(cost.bytes for cost in costs)
    rows.append(('all', sum(row[1] for row in rows), peak / 2**30))
    print(text_table(('stage', 'minutes', 'memory GiB'), rows, f'estimate on {get_device()}'))
    free = available_memory(torch.device(get_device()))
    if peak > 1.5 * free:
        raise ValueError(
            f'this needs about {peak / 2**30:.1f} GiB of memory, {free / 2**30:.1f} are '
            f'free: give a smaller --max-side than {side}'
        )


if __name__ == '__main__':
    sys.exit(run_main(main))
