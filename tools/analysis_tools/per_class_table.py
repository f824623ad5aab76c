"""Print the IoU of every class for several results, and the mean over classes that occur together.

    python tools/analysis_tools/per_class_table.py before=work_dirs/a/metrics.json \\
        after=work_dirs/b/metrics.json --metric seg --out per_class
    python tools/analysis_tools/per_class_table.py work_dirs/cosa/metrics.json --metric cam \\
        --coexist bird train aeroplane boat car

The tool prints Markdown and, with --out, writes <out>.md, <out>.csv and <out>.tex. Table 4 of
MCTformer+ and the supplements of ACR and CoSA have this form; C-mIoU (CoSA, Table 4b) is the mean
over --coexist, whose classes the paper does not list.
"""

import argparse
import csv
import io
import sys
from pathlib import Path
from statistics import fmean

from mmwsss.utils.cli import run_main
from mmwsss.utils.io import atomic_open, read_json
from mmwsss.utils.tables import latex_table, text_table


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('files', nargs='+', metavar='[NAME=]F', help='metrics.json files')
    parser.add_argument(
        '--metric', default='seg', help='cam, aux_cam, mask or seg (default %(default)s)'
    )
    parser.add_argument(
        '--coexist', nargs='+', default=[], metavar='CLASS', help='classes of C-mIoU'
    )
    parser.add_argument('--out', type=Path, metavar='F', help='files without their suffix')
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    results: dict[str, dict[str, float | None]] = {}
    for word in args.files:
        name, _, path = word.rpartition('=')
        name = name or Path(path).resolve().parent.name
        if name in results:
            raise ValueError(f'{word}: two results are named {name!r}; give them different names')
        results[name] = read_ious(Path(path), args.metric)
    header = ['class', *results]
    rows = make_rows(results, args.coexist)
    text = text_table(header, rows)
    print(text)
    if args.out:
        stream = io.StringIO()
        csv.writer(stream, lineterminator='\n').writerows(
            [header, *(['' if cell is None else cell for cell in row] for row in rows)]
        )
        for suffix, content in (
            ('.md', f'{text}\n'),
            ('.csv', stream.getvalue()),
            ('.tex', latex_table(header, rows)),
        ):
            with atomic_open(args.out.with_name(args.out.name + suffix), 'w') as file:
                file.write(content)


def read_ious(path: Path, metric: str) -> dict[str, float | None]:
    """IoU in percent by class.

    Raises:
        FileNotFoundError: No such file.
        ValueError: It has no such metric; the message names those that it has.
    """
    if not path.is_file():
        raise FileNotFoundError(f'{path}: metrics file not found')
    content = read_json(path)
    found = content.get(f'{metric}/IoU')
    if not isinstance(found, dict):
        known = sorted(key.removesuffix('/IoU') for key in content if key.endswith('/IoU'))
        raise ValueError(
            f'{path}: has no IoU of classes of {metric!r}; it has {", ".join(known) or "none"}'
        )
    return found


def make_rows(
    results: dict[str, dict[str, float | None]], coexist: list[str]
) -> list[list[str | float | None]]:
    """A row per class, the mean, and the mean over classes that occur together.

    Raises:
        ValueError: Results of different classes, or a class that is not among them.
    """
    (first, classes), *others = [(name, list(ious)) for name, ious in results.items()]
    for name, names in others:
        if names != classes:
            raise ValueError(f'{first} and {name} are results of different classes')
    wrong = [name for name in coexist if name not in classes]
    if wrong:
        raise ValueError(f'--coexist: {wrong[0]!r} is not among {", ".join(classes)}')
    rows: list[list[str | float | None]] = [
        [name, *(ious[name] for ious in results.values())] for name in classes
    ]
    rows.append(['mean', *(_mean(ious, classes) for ious in results.values())])
    if coexist:
        title = f'mean of {", ".join(coexist)}'
        rows.append([title, *(_mean(ious, coexist) for ious in results.values())])
    return rows


def _mean(ious: dict[str, float | None], names: list[str]) -> float | None:
    known = [value for name in names if (value := ious[name]) is not None]
    return fmean(known) if known else None


if __name__ == '__main__':
    sys.exit(run_main(main))
