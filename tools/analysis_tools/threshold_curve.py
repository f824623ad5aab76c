"""Plot CAM mIoU against the background threshold, of one run or of several in one picture.

    python tools/analysis_tools/threshold_curve.py work_dirs/sweep.json --out curve.png
    python tools/analysis_tools/threshold_curve.py before=work_dirs/a/curves.json \\
        after=work_dirs/b/curves.json --out curves.png

Files are the --json of evaluate_masks.py, or curves.json of a work directory. One file shows false
positives and negatives too.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from mmwsss.utils.cli import run_main
from mmwsss.utils.io import atomic_open, read_json
from mmwsss.utils.tables import text_table


def parse_args():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        'files', nargs='+', metavar='[NAME=]F', help='sweep of evaluate_masks.py, or curves.json'
    )
    parser.add_argument(
        '--metric', default='cam', help='entry of curves.json, e.g. aux_cam (default %(default)s)'
    )
    parser.add_argument('--out', type=Path, required=True, metavar='PNG', help='picture')
    return parser.parse_args()


def read_curve(path, metric):
    """``thresholds``, ``mIoU``, ``FP`` and ``FN`` of a file.

    Raises:
        ValueError: It has no such curve. The message names it and what it has.
    """
    content = read_json(path)
    curve = content.get('curve') or content.get(metric)
    if not isinstance(curve, dict) or not {'thresholds', 'mIoU'} <= set(curve):
        raise ValueError(
            f'{path}: no threshold curve of {metric!r} in it, only '
            f'{", ".join(map(repr, content))}; expected the --json of '
            f'evaluate_masks.py --cams, or curves.json of a work directory'
        )
    return curve


def main():
    args = parse_args()
    # after the arguments: --help and a mistyped option answer at once
    from mmwsss.visualization import figure_to_png, plot_threshold_curve, plot_threshold_curves

    if args.out.suffix != '.png':
        raise ValueError(f'--out {args.out}: the picture is a .png')
    curves = {}
    for word in args.files:
        name, _, path = word.rpartition('=')
        name = name or str(
            Path(path).parent.name if Path(path).name == 'curves.json' else Path(path).stem
        )
        if name in curves:
            raise ValueError(
                f'{word}: two curves are named {name!r}; give names, as in first={path}'
            )
        curves[name] = read_curve(path, args.metric)
    figure = (
        plot_threshold_curve(*curves.values())
        if len(curves) == 1
        else plot_threshold_curves(curves)
    )
    with atomic_open(args.out) as file:
        file.write(figure_to_png(figure))
    best = {
        name: max(zip(curve['mIoU'], curve['thresholds']), key=lambda pair: pair[0])
        for name, curve in curves.items()
    }
    print(
        text_table(
            ('curve', 'best mIoU %', 'threshold'),
            [(name, *pair) for name, pair in best.items()],
            str(args.out),
        )
    )


if __name__ == '__main__':
    sys.exit(run_main(main))
