"""Refine CAM files to pseudo masks; a rerun continues where an interrupted one stopped.

``--method`` is the name of a registered refiner. A custom one is imported by ``custom_imports``
of a ``--config`` file, or by ``--cfg-options custom_imports=my_module``; options of a refiner that
have no flag are given as ``--cfg-options refiner.<option>=<value>``.
"""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmwsss.apis.photo_options import add_photo_arguments, photo_options
from mmwsss.utils.cli import run_main
from mmwsss.utils.cli_options import DictAction, choice_of, unit_number
from mmwsss.utils.processes import Processes, add_launcher_argument, joined_processes
from mmwsss.utils.tool_options import add_cam_arguments

if TYPE_CHECKING:
    from mmengine.config import Config

    from mmwsss.apis.refine import MaskMaker

# flag of the command line -> option of the refiner
OPTIONS = dict(
    background='background',
    uncertain='uncertain',
    preset='preset',
    rule='rule',
    high='high',
    low='low',
    beta='beta',
    log2_steps='log2_steps',
    then_crf='then_crf',
)


def parse_args(argv=None):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_cam_arguments(parser, results='the masks <id>.png')
    add_photo_arguments(parser)
    parser.add_argument(
        '--method',
        metavar='M',
        help='registered name of a refiner: threshold, crf, par, psa, irn, or a custom one '
        '(default: refiner.type of --config)',
    )
    parser.add_argument(
        '--background',
        type=background,
        metavar='T|alpha:A',
        help='score of the background in [0,1], or alpha:A for (1 - max cam)^A (default: that of '
        'the released code of the method)',
    )
    parser.add_argument(
        '--uncertain',
        type=float,
        metavar='D',
        help='threshold, crf: pixels whose label differs between background scores T-D and T+D '
        'become 255',
    )
    parser.add_argument(
        '--preset',
        type=choice_of('mmwsss.models.refiners.dense_crf', 'PRESETS'),
        metavar='NAME',
        help='crf, --then-crf: parameters, e.g. psa (default), irn or mct_test',
    )
    parser.add_argument(
        '--rule',
        type=choice_of('mmwsss.models.refiners.par_refiner', 'RULES'),
        metavar='NAME',
        help='par: label rule (default two_pass)',
    )
    parser.add_argument(
        '--high',
        type=float,
        help='par: foreground where a map is above it (default 0.7)',
    )
    parser.add_argument(
        '--low',
        type=float,
        help='par: background where all maps are below it (default 0.25)',
    )
    parser.add_argument(
        '--config',
        type=Path,
        metavar='F',
        help='config of the affinity network (psa, irn), of custom_imports and refiner',
    )
    parser.add_argument(
        '--checkpoint', type=Path, metavar='F', help='psa, irn: its trained weights'
    )
    parser.add_argument('--beta', type=float, help='psa, irn: exponent of the affinities')
    parser.add_argument(
        '--log2-steps', type=int, metavar='N', help='psa, irn: the walk has 2^N steps'
    )
    parser.add_argument(
        '--then-crf',
        action='store_true',
        default=None,
        help='psa, irn: dense CRF on the scores of the walk',
    )
    parser.add_argument(
        '--device',
        help='where networks, PAR and the CRF run, e.g. cpu or cuda:1 (default: the GPU, if '
        'is one)',
    )
    parser.add_argument(
        '--classes',
        type=Path,
        metavar='F',
        help='class names, background first: class ids are checked against it',
    )
    parser.add_argument(
        '--batch-size',
        type=int,
        metavar='N',
        help='images of one size in a batch; the masks do not depend on it (default: what the '
        'memory of a GPU holds; 1 on a CPU, where processes are faster)',
    )
    parser.add_argument(
        '--workers',
        type=int,
        help='processes of a method without a network, on a CPU; 0: none (default: cores)',
    )
    add_launcher_argument(parser)
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, help='overrides, key=value')
    args = parser.parse_args(argv)
    if args.batch_size is not None and args.batch_size < 1:
        parser.error('--batch-size must be at least 1')
    if args.batch_size is not None and args.batch_size > 1 and args.workers:
        parser.error('--batch-size above 1 works in one process: leave out --workers')
    return args


def background(text):
    """``0.4`` or ``alpha:12``."""
    if not text.startswith('alpha:'):
        return unit_number(text)
    try:
        return 'alpha', float(text[6:])
    except ValueError:
        raise argparse.ArgumentTypeError(f'{text!r}: alpha is not a number') from None


def read_settings(args: argparse.Namespace) -> 'Config':
    """Config with everything that ``--config`` and ``--cfg-options`` say; custom modules are
    imported.
    """
    from mmengine.config import Config

    from mmwsss.apis import load_config
    from mmwsss.apis.config import import_custom

    if args.config is not None:
        return load_config(args.config, cfg_options=args.cfg_options, extra_keys=('refiner',))
    config, options = Config(), dict(args.cfg_options or {})
    import_custom(config, options)
    for key in options:
        if key.partition('.')[0] != 'refiner':
            raise ValueError(
                f'the override {key} changes nothing without --config; options of the refiner are '
                f'refiner.<option>=<value>'
            )
    config.merge_from_dict(options)
    return config


def refiner_of(args: argparse.Namespace, config: 'Config') -> dict[str, Any]:
    """``dict(type=..., options)`` of the config and, above it, of the flags that are given."""
    from mmwsss.apis.refine import refiner_class, refiner_options, refiners_with

    refiner = dict(config.get('refiner') or {})
    if args.method is not None and refiner.get('type', args.method) != args.method:
        refiner = {}  # of another method
    refiner['type'] = args.method or refiner.get('type')
    if refiner['type'] is None:
        raise ValueError('choose a refiner: --method, or refiner = dict(type=...) in --config')
    known = refiner_options(refiner_class(refiner['type']))
    for flag, option in OPTIONS.items():
        value = getattr(args, flag)
        if value is None:
            continue
        if option not in known:
            raise ValueError(
                f'--{flag.replace("_", "-")} is for --method {" and ".join(refiners_with(option))}'
                f', not {refiner["type"]}'
            )
        refiner[option] = value
    return refiner


def main():
    args = parse_args()
    with joined_processes(args.launcher) as processes:
        run(args, processes)


def run(args: argparse.Namespace, processes: Processes) -> None:
    """Check everything, then write the masks."""
    # after the arguments: --help and a mistyped option answer at once
    from mmwsss.apis.refine import refiner_class
    from mmwsss.utils.cam_lookup import find_cam_files
    from mmwsss.utils.locks import lock_folders

    args.device = processes.device(args.device)
    config = read_settings(args)
    refiner = refiner_of(args, config)
    kind = refiner_class(refiner['type'])
    # everything that is missing is named before anything runs
    ids, cams, images = find_cam_files(args.cams, args.images, args.list)
    if kind.uses_network and (args.config is None or args.checkpoint is None):
        raise ValueError(
            f'--method {refiner["type"]} needs --config and --checkpoint of a trained network'
        )
    with lock_folders(args.out, tool='refine_cams.py'):
        write_masks(args, config, refiner, list(zip(ids, cams, images)), processes)


def write_masks(
    args: argparse.Namespace,
    config: 'Config',
    refiner: dict[str, Any],
    entries: list[tuple],
    processes: Processes,
) -> None:
    """Make the masks of ``(image id, CAM file, image file)`` that are not there yet."""
    from mmwsss.apis.config import read_config
    from mmwsss.apis.mask_batches import MaskBatches
    from mmwsss.apis.refine import refiner_class, refiner_options
    from mmwsss.utils.file_jobs import write_files
    from mmwsss.utils.fingerprint import digest_settings, fingerprint_checkpoint

    kind = refiner_class(refiner['type'])
    network, maker = {}, None
    if kind.uses_network:
        network = dict(
            checkpoint=fingerprint_checkpoint(args.checkpoint),
            model=digest_settings(read_config(args.config).model),
        )
    else:  # a wrong option is an error before the folder is claimed
        maker = make_maker(args, config, refiner)
    options = {
        # superpixels have a method of their own
        f'refiner.{name}' if name == 'method' else name: refiner.get(name, value)
        for name, value in refiner_options(kind).items()
    }
    reading = dict(photo_options(args), **(dict(raw_pixels=True) if args.raw_pixels else {}))
    # one process feeds a device
    together = not str(args.device).startswith('cpu') or (args.batch_size or 1) > 1
    before = write_files(
        lambda: maker or make_maker(args, config, refiner),
        entries,
        args.out,
        suffix='.png',
        settings=dict(method=refiner['type'], **options, **network, **reading),
        processes=processes,
        workers=0 if kind.uses_network else args.workers,
        title=f'masks by {refiner["type"]}',
        run=(lambda maker, jobs: MaskBatches(maker, args.batch_size)(jobs)) if together else None,
    )
    if processes.is_first:
        print(f'{args.out}: {len(entries)} masks ({before} were there)')


def make_maker(args: argparse.Namespace, config: 'Config', refiner: dict[str, Any]) -> 'MaskMaker':
    """Function that turns a CAM file into a mask."""
    from mmwsss.apis.refine import MaskMaker, build_refiner
    from mmwsss.datasets.class_names import load_class_names

    network = config if args.config else None
    return MaskMaker(
        args.out,
        build_refiner(refiner, config=network, checkpoint=args.checkpoint, device=args.device),
        raw_pixels=args.raw_pixels,
        device=args.device,
        reading=photo_options(args),
        num_classes=None if args.classes is None else len(load_class_names(str(args.classes))) - 1,
    )


if __name__ == '__main__':
    sys.exit(run_main(main))
