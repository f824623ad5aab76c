"""Draw the inputs of a network: images of a config after its pipeline, with their tags and, where
they are loaded, masks.

    python tools/analysis_tools/browse_dataset.py configs/mctformer_plus_toy.py \\
        --out work_dirs/browse
    python tools/analysis_tools/browse_dataset.py configs/deeplabv1_r38_voc_pseudo.py \\
        --num 40 --out work_dirs/browse

The tool writes one picture for each image with a row for each random draw (--draws), which shows
its views and, if available, its mask.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
from rich.progress import track

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from mmwsss.utils.cli import run_main
from mmwsss.utils.cli_options import DictAction
from mmwsss.utils.io import atomic_open
from mmwsss.utils.processes import require_one_process


def parse_args():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('config', help='config file')
    parser.add_argument(
        '--out', type=Path, required=True, metavar='D', help='folder of the pictures'
    )
    parser.add_argument(
        '--phase',
        choices=('train', 'val', 'test'),
        default='train',
        help='data loader to inspect (default %(default)s)',
    )
    parser.add_argument(
        '--num',
        type=int,
        default=16,
        metavar='N',
        help='images, evenly over the data set (default %(default)s)',
    )
    parser.add_argument(
        '--draws',
        type=int,
        default=2,
        metavar='N',
        help='times that each is drawn (default %(default)s)',
    )
    parser.add_argument(
        '--cell', type=int, default=224, metavar='PX', help='side of one view (default %(default)s)'
    )
    parser.add_argument(
        '--seed', type=int, default=0, help='seed of the random changes (default %(default)s)'
    )
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, help='overrides, key=value')
    args = parser.parse_args()
    for name in ('num', 'draws'):
        if getattr(args, name) < 1:
            parser.error(f'--{name} must be at least 1')
    return args


def rows_of(item, classes, name):
    """A row of :func:`draw_cam_grid` for each view of an item after the pipeline."""
    sample = item['data_samples']
    views = item['inputs'] if isinstance(item['inputs'], (list, tuple)) else [item['inputs']]
    tags = (
        [classes[index + 1] for index in np.flatnonzero(sample.gt_tags.numpy())]
        if 'gt_tags' in sample
        else []
    )
    mask = sample.gt_sem_seg.data[0].numpy() if 'gt_sem_seg' in sample else None
    rows = []
    for number, view in enumerate(views):
        if view.shape[0] != 3 or view.is_floating_point():
            raise ValueError(
                f'{name}: the pipeline gives {view.dtype} of shape {tuple(view.shape)}, no uint8 '
                f'image of (3,H,W)'
            )
        picture = view.numpy()[::-1].transpose(1, 2, 0)  # BGR as loaded
        size = f'{picture.shape[1]}x{picture.shape[0]}'
        rows.append(
            dict(
                id=' '.join([name, *tags]) if number == 0 else f'view {number + 1}, {size}',
                image=picture,
                gt=mask if mask is not None and mask.shape == picture.shape[:2] else None,
            )
        )
    return rows


def main():
    args = parse_args()
    require_one_process()
    # after the arguments: --help and a mistyped option answer at once
    from mmengine.runner import set_random_seed

    from mmwsss.apis import load_config
    from mmwsss.registry import DATASETS
    from mmwsss.visualization import draw_cam_grid, encode_image

    config = load_config(args.config, cfg_options=args.cfg_options)
    loader = config.get(f'{args.phase}_dataloader')
    if not loader:
        raise ValueError(f'{args.config}: no {args.phase}_dataloader in it')
    dataset = DATASETS.build(loader.dataset)
    classes = dataset.metainfo['classes']
    set_random_seed(args.seed)
    for index in track(
        np.unique(np.linspace(0, len(dataset) - 1, min(args.num, len(dataset))).astype(int)),
        'images',
    ):
        name = Path(dataset.get_data_info(int(index))['img_path']).stem
        rows = [
            row for _ in range(args.draws) for row in rows_of(dataset[int(index)], classes, name)
        ]
        with atomic_open(args.out / f'{name}.png') as file:
            file.write(encode_image(draw_cam_grid(rows, cell=args.cell)))
    print(f'pictures: {args.out}')


if __name__ == '__main__':
    sys.exit(run_main(main))
