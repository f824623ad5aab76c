"""Print parameters, multiply-adds and images per second of networks in one table.

    python tools/analysis_tools/model_complexity.py configs/mctformer_plus_voc.py --size 224 224
    python tools/analysis_tools/model_complexity.py configs/cosa_voc.py --repeats 20 --crf cosa_test

Weights are random and need not be downloaded: they change none of the numbers. Speed is that of
one image of random pixels through the whole prediction of the config, scales and flips included;
MACs are those of one pass. Table 5 of MCTformer+ counts in this way, Table 4c of CoSA gives speeds.
"""

import argparse
import sys
from pathlib import Path

from mmwsss.utils.cli import run_main
from mmwsss.utils.cli_options import DictAction
from mmwsss.utils.io import write_json
from mmwsss.utils.tables import text_table

COLUMNS = ('config', 'parameters (M)', 'MACs (G)', 'images/s', 'images/s with CRF')


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('configs', nargs='+', help='config files')
    parser.add_argument(
        '--size',
        type=int,
        nargs=2,
        default=(448, 448),
        metavar=('H', 'W'),
        help='size of the image (default: 448 448)',
    )
    parser.add_argument(
        '--repeats',
        type=int,
        default=0,
        metavar='N',
        help='time N predictions (default: none)',
    )
    parser.add_argument('--crf', metavar='PRESET', help='also time a dense CRF behind them')
    parser.add_argument('--device', help='e.g. cpu or cuda:1 (default: a GPU, if available)')
    parser.add_argument('--json', type=Path, metavar='F', help='write the numbers there')
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, help='overrides, key=value')
    args = parser.parse_args(argv)
    if min(args.size) < 1 or args.repeats < 0:
        parser.error('--size must be positive, --repeats must not be negative')
    if args.crf and not args.repeats:
        parser.error('--crf is timed and needs --repeats')
    return args


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    # after the arguments: --help and a mistyped option answer at once
    from mmwsss.apis import init_model
    from mmwsss.apis.complexity import measure_complexity
    from mmwsss.utils.env import check_device

    device = check_device(args.device or 'auto')
    results = {}
    for config in args.configs:
        model = init_model(config, None, device, args.cfg_options)
        results[Path(config).stem] = measure_complexity(
            model, tuple(args.size), repeats=args.repeats, crf=args.crf
        )
    height, width = args.size
    title = f'one image of {height}x{width}, {device}'
    print(text_table(COLUMNS, [(name, *entry) for name, entry in results.items()], title))
    if args.json:
        settings = dict(size=[height, width], device=str(device), crf=args.crf)
        flat = {
            f'{name}/{field}': value
            for name, entry in results.items()
            for field, value in entry._asdict().items()
        }
        if len(results) == 1:  # a study asks for one config at a time
            flat = {key.partition('/')[2]: value for key, value in flat.items()}
        write_json(args.json, dict(flat, protocol=settings))


if __name__ == '__main__':
    sys.exit(run_main(main))
