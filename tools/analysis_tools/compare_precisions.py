"""Loss curves of a config in several precisions: the same seed, the same batches, a constant
learning rate.

Half precision on a CPU is an emulation: it rounds as PyTorch's autocast does there, which shows
whether a recipe trains, not how fast.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
from rich.progress import track

from mmwsss.apis.speed import PRECISIONS
from mmwsss.utils.cli import run_main
from mmwsss.utils.cli_options import DictAction
from mmwsss.utils.io import write_json
from mmwsss.utils.tables import text_table

LAST = 20  # steps that the final loss is averaged over


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('config', help='config file; its training data must be there')
    parser.add_argument(
        '--precisions', nargs='+', choices=PRECISIONS, default=['fp32', 'bf16'], metavar='P'
    )
    parser.add_argument('--steps', type=int, default=120, help='default: %(default)s')
    parser.add_argument('--batch-size', type=int, help='images of a step (default: the config)')
    parser.add_argument('--device', default='cpu', help='default: %(default)s')
    parser.add_argument('--seed', type=int, default=0, help='default: %(default)s')
    parser.add_argument('--json', type=Path, metavar='F', help='losses of every step')
    parser.add_argument('--picture', type=Path, metavar='F', help='curves, e.g. curves.svg')
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, help='overrides, key=value')
    args = parser.parse_args()
    if args.steps < 1 or (args.batch_size is not None and args.batch_size < 1):
        parser.error('--steps and --batch-size must be at least 1')
    return args


def main() -> None:
    args = parse_args()
    # after the arguments: --help and a mistyped option answer at once
    from mmwsss.utils.env import check_device

    args.device = check_device(args.device)
    curves = {name: losses_of(args, name) for name in dict.fromkeys(args.precisions)}
    print(report(curves))
    if args.json is not None:
        write_json(args.json, curves)
    if args.picture is not None:
        from mmwsss.visualization import plot_curves

        named = {f'loss {name}': values for name, values in curves.items()}
        records = [
            dict(step=step + 1, **{name: values[step] for name, values in named.items()})
            for step in range(args.steps)
        ]
        plot_curves(records).savefig(args.picture, dpi=120, metadata={'Date': None})


def losses_of(args: argparse.Namespace, precision: str) -> list[float]:
    """Loss of each step in a precision, from the seed."""
    # after the arguments: --help and a mistyped option answer at once
    import torch
    from mmengine.runner import Runner

    import mmwsss.engine.hooks  # noqa: F401  registers the components
    import mmwsss.models  # noqa: F401
    from mmwsss.apis import load_config
    from mmwsss.apis.profiling import DTYPES, optimizer_of
    from mmwsss.registry import MODELS

    config = load_config(args.config, cfg_options=args.cfg_options)
    loader_config = config.train_dataloader
    loader_config.update(num_workers=0, persistent_workers=False)
    loader_config.pop('prefetch_factor', None)
    if args.batch_size is not None:
        loader_config.batch_size = args.batch_size
    torch.manual_seed(args.seed)
    np.random.seed(args.seed)
    model = MODELS.build(config.model)
    model.init_weights()
    model = model.to(args.device).train()
    optimizer = optimizer_of(config, model, 'fp32')  # weights stay in float32
    loader = Runner.build_dataloader(loader_config, seed=args.seed)
    autocast = torch.autocast(args.device.type, DTYPES[precision], enabled=precision != 'fp32')
    losses: list[torch.Tensor] = []
    batches = endless(loader)
    for _ in track(range(args.steps), description=precision, transient=True):
        data = model.data_preprocessor(next(batches), True)
        with autocast:
            loss, _ = model.parse_losses(model(**data, mode='loss'))
        optimizer.update_params(loss)
        losses.append(loss.detach())
    return torch.stack(losses).float().tolist()


def endless(loader):
    """Batches of a loader, from the beginning again when it ends.

    Raises:
        ValueError: It has no batch.
    """
    while True:
        batch = None
        for batch in loader:
            yield batch
        if batch is None:
            raise ValueError(
                f'the training set has {len(loader.dataset)} images, fewer than a batch: lower '
                f'--batch-size'
            )


def report(curves: dict[str, list[float]]) -> str:
    """First and final loss of each precision, and the mean distance of its curve from the first
    one's.
    """
    reference = np.asarray(next(iter(curves.values())))
    rows = []
    for name, values in curves.items():
        losses = np.asarray(values)
        distance = np.abs(losses - reference).mean() / np.abs(reference).mean()
        rows.append(
            (name, f'{losses[0]:.4f}', f'{losses[-LAST:].mean():.4f}', f'{100 * distance:.2f} %')
        )
    header = ('precision', 'first loss', f'mean of the last {LAST}', 'mean distance')
    return text_table(header, rows)


if __name__ == '__main__':
    sys.exit(run_main(main))
