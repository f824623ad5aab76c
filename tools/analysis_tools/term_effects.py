"""Measure whether a loss can have an effect: similarity of tokens, consistency of the attention
under a flip, and share of negative masked views.

    python tools/analysis_tools/term_effects.py configs/acr_toy.py CHECKPOINT --json F
    python tools/analysis_tools/term_effects.py configs/mcc_toy.py            # random weights
    torchrun --nproc_per_node 4 tools/analysis_tools/term_effects.py ... --launcher pytorch

cosine: mean absolute cosine of tokens of one and of two labels; an affinity loss that works raises
the gap. consistency: how far the attention of the mirrored image is from the mirrored attention,
relative to how far it is from uniform; below 0.1 without the terms of ACR there is no room for
them. masked views: share that MCC takes for negative; at 0 or 1 its contrast is idle.
"""

import argparse
import sys
from pathlib import Path

from rich.progress import track

from mmwsss.utils.cli import run_main
from mmwsss.utils.cli_options import DictAction, positive_integer
from mmwsss.utils.io import write_json
from mmwsss.utils.processes import Processes, add_launcher_argument, joined_processes
from mmwsss.utils.tables import text_table


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('config', help='config of a classifier on a vision transformer')
    parser.add_argument('checkpoint', nargs='?', help='checkpoint file (default: random weights)')
    parser.add_argument('--split', default='val', help='split with masks (default %(default)s)')
    parser.add_argument('--num', type=positive_integer, metavar='N', help='only the first N images')
    parser.add_argument('--seed', type=int, default=0, help='seed of random weights and masks')
    parser.add_argument('--json', type=Path, metavar='F', help='write the numbers there')
    parser.add_argument('--device', help='e.g. cpu or cuda:1 (default: a GPU, if available)')
    add_launcher_argument(parser)
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, help='overrides, key=value')
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    with joined_processes(args.launcher) as processes:
        run(args, processes)


def run(args: argparse.Namespace, processes: Processes) -> None:
    """Measure the images of this process; the first one reports those of all."""
    # after the arguments: --help and a mistyped option answer at once
    import torch

    from mmwsss.apis import dataset_of_split, init_model
    from mmwsss.apis.runner import image_loader
    from mmwsss.apis.term_effects import TermEffects
    from mmwsss.registry import DATASETS

    torch.manual_seed(args.seed)
    device = processes.device(args.device)
    model = init_model(args.config, args.checkpoint, device, args.cfg_options)
    effects = TermEffects(model)
    dataset = DATASETS.build(dataset_of_split(model.cfg, args.split, masks=True))
    images = range(len(dataset) if args.num is None else min(args.num, len(dataset)))
    dataset.get_subset_(list(images))
    loader = track(image_loader(dataset), description='images', disable=not processes.is_first)
    for index, data in zip(processes.share(images), loader):
        torch.manual_seed(args.seed + index)  # masks are those of the image in any process
        effects.add(data)
    parts = processes.gather(effects.values)
    if not processes.is_first:
        return
    for values in parts[1:]:
        effects.merge(values)
    results = effects.results()
    print(text_table(('number', 'mean'), [(key, f'{value:.4f}') for key, value in results.items()]))
    if args.json:
        protocol = dict(split=args.split, images=len(images), checkpoint=args.checkpoint)
        write_json(args.json, dict(results, protocol=protocol))


if __name__ == '__main__':
    sys.exit(run_main(main))
