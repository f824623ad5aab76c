"""Analyse the over-smoothing of a classifier's attention layer by layer, as in Figures 1, 3, 6, 7
and Table III of AReAM.

    python tools/analysis_tools/analyze_affinity.py CONFIG CHECKPOINT --out D
    python tools/analysis_tools/analyze_affinity.py CONFIG2 CHECKPOINT2 --out D2 --compare before=D

The tool writes layers.csv, maps.csv, metrics.json, layer_weights.json (for model.weighting of
AReAM), PNG plots and report.html. Maps come from one view of each image without flip; mIoU is that
of the best background threshold.
"""

import argparse
import csv
import os
import sys
from pathlib import Path

from rich.progress import track

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from mmwsss.utils.cli import run_main
from mmwsss.utils.cli_options import DictAction
from mmwsss.utils.io import atomic_open, read_rgb, write_json
from mmwsss.utils.processes import Processes, add_launcher_argument, joined_processes
from mmwsss.utils.tables import text_table

MODES = ('softmax_all', 'softmax_patch', 'softmax_logit')  # AFFINITY_MODES, without its imports
SHOWN = (
    'hellinger',
    'entropy_gap',
    'w_hat',
    'attended_foreground',
    'object_to_object',
    'background_to_object',
    'cam_mIoU',
    'first_mIoU',
    'truth_mIoU',
)
THUMBNAIL = 160  # pixels of the longest side of the pictures in attended_tokens.png


def parse_args(argv=None):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('config', help='config of a classifier on a vision transformer')
    parser.add_argument('checkpoint', help='checkpoint file')
    parser.add_argument(
        '--out', type=Path, required=True, metavar='D', help='folder of the results'
    )
    parser.add_argument(
        '--split',
        help='list in ImageSets/Segmentation, a .txt file, or all (default: the test split of the '
        'config)',
    )
    parser.add_argument(
        '--masks',
        action=argparse.BooleanOptionalAction,
        default=True,
        help='measure mIoU and attention on the foreground, which need masks (default: yes)',
    )
    parser.add_argument(
        '--num',
        type=int,
        metavar='N',
        help='analyse N images, evenly spread over the split (default: all)',
    )
    parser.add_argument(
        '--mode',
        choices=MODES,
        default='softmax_all',
        help='affinity that refines (default %(default)s)',
    )
    parser.add_argument(
        '--hellinger-mode',
        choices=MODES,
        default='softmax_patch',
        help='affinity whose rows are compared; those of softmax_all do not sum to 1 (default '
        '%(default)s)',
    )
    parser.add_argument(
        '--form',
        choices=('max', 'sum'),
        default='max',
        help='entropy: max over classes, or their sum as in version 1 of AReAM (default '
        '%(default)s)',
    )
    parser.add_argument(
        '--size',
        type=int,
        metavar='PX',
        help='resize images to PX x PX without keeping the aspect ratio (default: the size in '
        'the config)',
    )
    parser.add_argument(
        '--samples',
        type=int,
        default=6,
        metavar='N',
        help='images that are drawn (default %(default)s)',
    )
    parser.add_argument(
        '--layers',
        type=int,
        nargs='+',
        metavar='L',
        help='layers that are drawn, from 1 (default: first, middle, last)',
    )
    parser.add_argument(
        '--compare',
        nargs='+',
        default=[],
        metavar='NAME=D',
        help='results of other checkpoints for the same plots',
    )
    parser.add_argument(
        '--name', help='name of this checkpoint in the plots (default: name of the config)'
    )
    parser.add_argument('--device', help='e.g. cpu or cuda:1 (default: a GPU, if available)')
    parser.add_argument(
        '--workers', type=int, help='processes that load images (default: that of the config)'
    )
    add_launcher_argument(parser)
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, help='overrides, key=value')
    args = parser.parse_args(argv)
    for name in ('num', 'samples', 'size'):
        if getattr(args, name) is not None and getattr(args, name) < (name != 'samples'):
            parser.error(f'--{name} must be at least {int(name != "samples")}')
    return args


def main(argv=None):
    args = parse_args(argv)
    with joined_processes(args.launcher) as processes:
        run(args, processes)


def run(args: argparse.Namespace, processes: Processes) -> None:
    """Analyse the images of this process; the first one writes the results of all."""
    # after the arguments: --help and a mistyped option answer at once
    from mmwsss.apis import dataset_of_split, init_model
    from mmwsss.apis.layer_analysis import LayerAnalysis
    from mmwsss.apis.runner import image_loader
    from mmwsss.registry import DATASETS

    others = read_others(args.compare)  # whatever is wrong ends the run before the network is built
    device = processes.device(args.device)
    model = init_model(args.config, args.checkpoint, device, args.cfg_options)
    if model.cfg.get('test_dataloader') is None:
        raise ValueError(
            f'{args.config}: has no test_dataloader, on whose data set the attention is analysed'
        )
    template = model.cfg.test_dataloader.dataset
    dataset = DATASETS.build(
        dataset_of_split(model.cfg, args.split, masks=args.masks)
        if args.split or not args.masks
        else template
    )
    analysis = LayerAnalysis(
        model,
        dataset.metainfo['classes'],
        mode=args.mode,
        hellinger_mode=args.hellinger_mode,
        form=args.form,
        size=args.size and (args.size, args.size),
    )
    drawn = drawn_layers(args.layers, analysis.num_layers)
    images = spread(len(dataset), args.num)
    samples = spread(len(images), min(args.samples, len(images)))
    own = processes.share(range(len(images)))
    dataset.get_subset_(images)
    workers = (
        model.cfg.test_dataloader.get('num_workers', 0) if args.workers is None else args.workers
    )
    loader = image_loader(dataset, workers)
    args.out.mkdir(parents=True, exist_ok=True)
    pictures, matrices = {}, []
    loader = track(loader, description='images', disable=not processes.is_first)
    for index, data in zip(own, loader):
        seen = analysis.add(data, drawn if index in samples[:1] else ())
        if index in samples:
            pictures[index] = picture(data['data_samples'][0], seen, drawn, analysis.class_names)
        matrices += [
            (f'{pictures[index]["id"]}, layer {layer + 1}', affinity.float().cpu().numpy())
            for layer, affinity in zip(drawn, seen.affinity)
        ]
    parts = processes.gather((analysis.state(), pictures, matrices))
    if not processes.is_first:
        return
    for state, others_pictures, others_matrices in parts[1:]:
        analysis.merge(state)
        pictures.update(others_pictures)
        matrices += others_matrices
    in_order = [pictures[index] for index in sorted(pictures)]
    write_results(args, analysis.results(), others, in_order, matrices, analysis.class_names)


def spread(total, count):
    """``count`` indices below ``total``, evenly spread; all of them where it is None or too
    large.
    """
    if count is None or count >= total:
        return list(range(total))
    return [(2 * number + 1) * total // (2 * count) for number in range(count)]


def drawn_layers(layers, num_layers):
    """Indices from 0 of the layers to draw."""
    if layers is None:
        return sorted({0, num_layers // 2, num_layers - 1})
    wrong = [layer for layer in layers if not 1 <= layer <= num_layers]
    if wrong:
        raise ValueError(
            f'--layers {" ".join(map(str, wrong))}: the model has layers 1 to {num_layers}'
        )
    return [layer - 1 for layer in layers]


def read_others(words):
    """Columns of the layers.csv of other checkpoints, by name."""
    others = {}
    for word in words:
        name, separator, folder = word.partition('=')
        file = Path(folder) / 'layers.csv'
        if not separator or not name:
            raise ValueError(f'--compare {word}: give a name and a folder of results, NAME=D')
        if not file.is_file():
            raise FileNotFoundError(
                f'{file}: not found; --compare takes folders that this tool has written'
            )
        with open(file, newline='', encoding='utf-8') as stream:
            rows = list(csv.DictReader(stream))
        missing = [column for column in SHOWN if not rows or column not in rows[0]]
        if missing:
            raise ValueError(f'{file}: no column {missing[0]}; this tool did not write it')
        others[name] = {
            column: [float(row[column]) if row[column] else None for row in rows]
            for column in SHOWN
        }
    return others


def picture(sample, seen, drawn, class_names):
    """An image with its ground truth, maps, and the patches that some layers attend to, each
    stretched to [0,1].
    """
    image = read_rgb(sample.img_path, raw=sample.metainfo.get('raw_pixels', False))
    heat = seen.attended.cpu().numpy()
    maps = [(class_names[key + 1], cam.cpu().numpy()) for key, cam in zip(seen.keys, seen.cams)]
    for layer in drawn:
        low, high = heat[layer].min(), heat[layer].max()
        maps.append((f'attended in layer {layer + 1}', (heat[layer] - low) / (high - low + 1e-12)))
    ground_truth = sample.gt_sem_seg.data[0].cpu().numpy() if 'gt_sem_seg' in sample else None
    return dict(
        id=sample.metainfo.get('img_id', Path(sample.img_path).stem),
        image=image,
        gt=ground_truth,
        cams=maps,
        tags=[class_names[key + 1] for key in seen.keys],
    )


def write_results(args, results, others, pictures, matrices, class_names):
    """Tables, plots and the page."""
    from mmwsss.utils.env import write_environment
    from mmwsss.visualization import (
        draw_cam_grid,
        encode_image,
        figure_to_png,
        plot_matrices,
        plot_picture,
        write_report,
    )

    name, layers, maps = args.name or Path(args.config).stem, results['layers'], results['maps']
    write_csv(args.out / 'layers.csv', layers)
    write_csv(args.out / 'maps.csv', [dict(maps=key, **values) for key, values in maps.items()])
    if results['w_hat'] is not None:
        write_json(
            args.out / 'layer_weights.json',
            dict(
                w_hat=results['w_hat'],
                entropy=[row['entropy'] for row in layers],
                form=args.form,
                mode=args.mode,
                checkpoint=str(args.checkpoint),
                num_images=results['num_images'],
            ),
        )
    protocol = dict(
        split=args.split or 'that of the config',
        images=results['num_images'],
        views='first view, no flip',
        affinity=args.mode,
        hellinger=args.hellinger_mode,
        entropy=args.form,
        threshold='best of 100',
        tags='ground truth',
    )
    last = layers[-1]
    metrics = {
        'cam/mIoU': maps['mean']['mIoU'],
        'cam/best_threshold': maps['mean']['threshold'],
        'unrefined/mIoU': maps['unrefined']['mIoU'],
        'reactivated/mIoU': maps['reactivated']['mIoU'],
        'last_layer/mIoU': last['cam_mIoU'],
        'last_layer/hellinger': last['hellinger'],
        'last_layer/attended_foreground': last['attended_foreground'],
        'last_layer/object_to_object': last['object_to_object'],
        'last_layer/background_to_object': last['background_to_object'],
        'last_layer/truth_mIoU': last['truth_mIoU'],
        'truth/mIoU': maps['truth_unrefined']['mIoU'],
        'truth_refined/mIoU': maps['truth_mean']['mIoU'],
        'foreground_area': results['foreground_area'],
    }
    for row in layers:
        metrics[f'layer_{row["layer"]}/mIoU'] = row['cam_mIoU']
        metrics[f'first_{row["layer"]}/mIoU'] = row['first_mIoU']
        metrics[f'layer_{row["layer"]}/object_to_object'] = row['object_to_object']
        metrics[f'layer_{row["layer"]}/background_to_object'] = row['background_to_object']
    metrics = {key: value for key, value in metrics.items() if value is not None}
    write_json(args.out / 'metrics.json', dict(metrics, protocol=protocol))
    figures = draw(name, results, others, unit='bits' if args.form == 'sum' else 'nats')
    for file, (_, figure) in figures.items():
        write_bytes(args.out / f'{file}.png', figure_to_png(figure))
    if pictures:
        grid = draw_cam_grid(pictures, cell=THUMBNAIL)
        write_bytes(args.out / 'attended_tokens.png', encode_image(grid))
        figures['attended_tokens'] = (
            'Class activation maps, and the patches that layers attend to (Figure 7)',
            plot_picture(grid),
        )
    if matrices:
        figures['affinity'] = (
            'Affinity of patches: rows are queries, columns what they attend to',
            plot_matrices(matrices),
        )
        write_bytes(args.out / 'affinity.png', figure_to_png(figures['affinity'][1]))
    table = text_table(
        ('layer', *SHOWN),
        [(str(row['layer']), *(cell(row[column]) for column in SHOWN)) for row in layers],
    )
    write_report(
        args.out / 'report.html',
        title=f'Attention of {name}, layer by layer',
        metrics=dict(metrics, protocol=protocol),
        figures=dict(figures.values()),
        samples=[
            dict(sample, cams=[pair for pair in sample['cams'] if pair[0] in class_names])
            for sample in pictures
        ],
        classes=list(class_names),
        settings={'layers.csv': table, 'command': ' '.join(sys.argv)},
        environment=write_environment(args.out),
    )
    print(table)
    print(
        text_table(
            ('maps', 'mIoU %', 'threshold'),
            [(key, *values.values()) for key, values in maps.items()],
        )
    )
    print(f'report: {args.out / "report.html"}')


def draw(name, results, others, *, unit):
    """File -> caption and figure, of the quantities that were measured."""
    from mmwsss.visualization import plot_layers

    layers = results['layers']
    columns = {column: [row[column] for row in layers] for column in SHOWN}
    captions = {
        'hellinger': (
            'Hellinger distance of the rows of the affinity: the smaller, the more similar the '
            'rows (Figure 3)',
            'mean distance',
        ),
        'cam_mIoU': (
            'mIoU of the map refined by one layer alone (Figures 1 and 6)',
            'mIoU, percent',
        ),
        'first_mIoU': (
            'mIoU of the map refined by the mean of the first layers (Table III)',
            'mIoU, percent',
        ),
        'entropy_gap': (
            'Entropy of the map refined by one layer (Eq. 8): by how much it is below that of a '
            'flat map',
            unit,
        ),
        'w_hat': ('Weight of the affinity loss, mean over images (Eq. 9)', 'w_hat'),
        'attended_foreground': ('Attention that falls on the foreground (Figure 7)', 'share'),
        'object_to_object': ('Attention of patches on objects that falls on objects', 'share'),
        'background_to_object': (
            'Attention of patches on the background that falls on objects: as high as that of '
            'objects where attention is not local',
            'share',
        ),
        'truth_mIoU': (
            'mIoU of the ground truth refined by one layer alone: what it leaves of a good map',
            'mIoU, percent',
        ),
    }
    maps, area = results['maps'], results['foreground_area']
    levels = {
        'cam_mIoU': {
            'not refined': maps['unrefined']['mIoU'],
            'mean of all layers': maps['mean']['mIoU'],
        },
        'first_mIoU': {
            'not refined': maps['unrefined']['mIoU'],
            're-activated': maps['reactivated']['mIoU'],
        },
        'attended_foreground': {'area of the foreground': area},
        'object_to_object': {'area of the foreground': area},
        'background_to_object': {'area of the foreground': area},
        'truth_mIoU': {
            'ground truth, not refined': maps['truth_unrefined']['mIoU'],
            'refined by all layers': maps['truth_mean']['mIoU'],
        },
    }
    bands = {
        'hellinger': [row['hellinger_std'] for row in layers],
        'entropy_gap': [row['entropy_gap_std'] for row in layers],
    }
    figures = {}
    for column, (caption, ylabel) in captions.items():
        if columns[column][0] is None:
            continue
        curves = {
            name: columns[column],
            **{other: values[column] for other, values in others.items()},
        }
        band = {name: bands[column]} if column in bands and not others else None
        figures[column] = (
            caption,
            plot_layers(curves, ylabel=ylabel, bands=band, levels=levels.get(column)),
        )
    return figures


def write_csv(file, rows):
    with atomic_open(file, 'w', encoding='utf-8') as stream:
        writer = csv.DictWriter(stream, fieldnames=list(rows[0]), lineterminator='\n')
        writer.writeheader()
        writer.writerows(
            [{key: '' if value is None else value for key, value in row.items()} for row in rows]
        )


def write_bytes(file, content):
    with atomic_open(file, 'wb') as stream:
        stream.write(content)


def cell(value):
    return None if value is None else f'{value:.4g}'


if __name__ == '__main__':
    os.environ.setdefault('LOCAL_RANK', '0')
    sys.exit(run_main(main))
