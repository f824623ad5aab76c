"""Compare several runs: print their numbers with differences, and write a page with paired
pictures.

    python tools/analysis_tools/compare_runs.py plain=work_dirs/a longer=work_dirs/b \\
        --out work_dirs/compare.html --images data/toy_shapes/JPEGImages \\
        --gt data/toy_shapes/SegmentationClass --classes data/toy_shapes/classes.txt \\
        --list data/toy_shapes/ImageSets/Segmentation/test.txt

A run is a folder with the metrics.json of a pipeline, of tools/test.py or of a training; the others
are compared with the first one. With --images, --gt, --classes and --list the page pairs the masks
of the runs image by image.
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from mmwsss.utils.cli import run_main
from mmwsss.utils.file_lookup import IMAGE_SUFFIXES, find_files
from mmwsss.utils.io import read_id_list, read_image, read_json, read_mask
from mmwsss.utils.processes import require_one_process
from mmwsss.utils.tables import text_table

PICTURES = ('images', 'gt', 'classes', 'list')


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('runs', nargs='+', metavar='[NAME=]FOLDER', help='at least two runs')
    parser.add_argument('--out', type=Path, metavar='F', help='page to write (HTML)')
    parser.add_argument('--images', type=Path, metavar='D', help='folder of the images')
    parser.add_argument('--gt', type=Path, metavar='D', help='folder of the ground truth')
    parser.add_argument('--classes', metavar='F', help='class names, background first')
    parser.add_argument('--list', type=Path, metavar='F', help='image ids')
    parser.add_argument(
        '--masks',
        default='segmentation_test/masks',
        metavar='D',
        help='masks of a run, relative to its folder (default %(default)s)',
    )
    args = parser.parse_args(argv)
    given = [name for name in PICTURES if getattr(args, name)]
    if given and len(given) < len(PICTURES):
        missing = ', '.join(f'--{name}' for name in PICTURES if name not in given)
        parser.error(f'pictures also need {missing}')
    if given and not args.out:
        parser.error('pictures need --out')
    return args


def main() -> None:
    args = parse_args()
    require_one_process()
    runs = read_runs(args.runs)
    metrics = {name: read_json(folder / 'metrics.json') for name, folder in runs.items()}
    console = Console(highlight=False, width=200)
    rows = number_rows(metrics)
    if not rows:
        raise ValueError(f'{", ".join(args.runs)}: the runs have no number in common')
    console.print(text_table(('number', *runs), rows), markup=False)
    prefixes = [
        prefix
        for prefix in ('cam', 'mask', 'seg')
        if all(isinstance(numbers.get(f'{prefix}/IoU'), dict) for numbers in metrics.values())
    ]
    for prefix in prefixes:
        tables = {name: numbers[f'{prefix}/IoU'] for name, numbers in metrics.items()}
        console.print(text_table((f'{prefix}/IoU', *runs), class_rows(tables)), markup=False)
    if not args.out:
        return
    # PyTorch is imported for the page alone
    from mmwsss.datasets.class_names import load_class_names
    from mmwsss.visualization import plot_class_iou, write_report

    figures = {
        f'IoU of every class, {prefix}': plot_class_iou(
            list(metrics[next(iter(runs))][f'{prefix}/IoU']),
            {name: numbers[f'{prefix}/IoU'] for name, numbers in metrics.items()},
        )
        for prefix in prefixes
    }
    ids = read_id_list(args.list) if args.list else []
    write_report(
        args.out,
        title=f'Comparison of {", ".join(runs)}',
        metrics={
            f'{name}: {row[0]}': row[index] for index, name in enumerate(runs, 1) for row in rows
        },
        figures=figures,
        samples=samples(args, runs, ids) if ids else None,
        num_samples=len(ids),
        runs=list(runs),
        classes=load_class_names(args.classes) if args.classes else None,
    )
    console.print(f'{args.out}: written', markup=False)


def read_runs(words: list[str]) -> dict[str, Path]:
    """Name -> folder of each run.

    Raises:
        ValueError: One run only, or a name twice.
        FileNotFoundError: A folder has no metrics.json.
    """
    runs: dict[str, Path] = {}
    for word in words:
        name, separator, folder = word.partition('=')
        path = Path(folder if separator else word)
        name = name if separator else path.name
        if name in runs:
            raise ValueError(f'two runs have the name {name}: name them as NAME=FOLDER')
        if not (path / 'metrics.json').is_file():
            raise FileNotFoundError(f'{path / "metrics.json"}: not found; has the run ended?')
        runs[name] = path
    if len(runs) < 2:
        raise ValueError(f'{words[0]}: one run only; name at least two')
    return runs


def number_rows(metrics: dict[str, dict[str, Any]]) -> list[tuple[str, ...]]:
    """A row per number that the first run and another one have."""
    first, *others = metrics.values()
    rows = []
    for key, base in first.items():
        if isinstance(base, bool) or not isinstance(base, (int, float)):
            continue
        values = [numbers.get(key) for numbers in others]
        if any(value is not None for value in values):
            rows.append((key, f'{base:.2f}', *(_difference(value, base) for value in values)))
    return rows


def class_rows(tables: dict[str, dict[str, float | None]]) -> list[tuple[str, ...]]:
    """A row per class; the largest change comes first."""
    first, *others = tables.values()

    def change(name: str) -> float:
        base = first[name]
        values = [table.get(name) for table in others]
        found = [abs(value - base) for value in values if value is not None and base is not None]
        return max(found, default=0.0)

    return [
        (
            name,
            '-' if first[name] is None else f'{first[name]:.2f}',
            *(_difference(table.get(name), first[name]) for table in others),
        )
        for name in sorted(first, key=change, reverse=True)
    ]


def _difference(value: float | None, base: float | None) -> str:
    if value is None:
        return '-'
    return f'{value:.2f}' if base is None else f'{value:.2f} ({value - base:+.2f})'


def samples(
    args: argparse.Namespace, runs: dict[str, Path], ids: list[str]
) -> Iterator[dict[str, Any]]:
    """Images with the mask of every run."""
    images = find_files(args.images, ids, IMAGE_SUFFIXES, what='image')
    truth = find_files(args.gt, ids, ('.png',), what='mask')
    masks = {
        name: find_files(folder / args.masks, ids, ('.png',), what='mask')
        for name, folder in runs.items()
    }
    for index, img_id in enumerate(ids):
        image = read_image(images[index])
        yield dict(
            id=img_id,
            image=np.ascontiguousarray(image[..., ::-1]),
            gt=read_mask(truth[index]),
            **{name: read_mask(files[index]) for name, files in masks.items()},
        )


if __name__ == '__main__':
    sys.exit(run_main(main))
