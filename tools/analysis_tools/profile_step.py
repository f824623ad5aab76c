"""Find out what a training step of a config waits for: loader, host or device.

The tool prints the CPU time of every transform of the loader, the time of a step, how long the host
needs to queue it, at which lines it waits for the device, and which part of the machine's measured
matmul peak the step reaches.
"""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from mmwsss.apis.speed import PRECISIONS, add_speed_arguments, prepare_network, set_speed
from mmwsss.utils.cli import run_main
from mmwsss.utils.io import write_json
from mmwsss.utils.tables import text_table

if TYPE_CHECKING:
    import torch


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('config', help='config file')
    parser.add_argument('--batch-size', type=int, help='images of a step (default: the config)')
    parser.add_argument('--precision', choices=PRECISIONS, default='fp32')
    parser.add_argument('--device', help='e.g. cpu or cuda:1 (default: a GPU, if available)')
    parser.add_argument('--rounds', type=int, default=5, help='timed steps (default %(default)s)')
    parser.add_argument('--json', type=Path, metavar='F', help='also write the numbers there')
    add_speed_arguments(parser)
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    if args.rounds < 1 or (args.batch_size is not None and args.batch_size < 1):
        raise ValueError('--rounds and --batch-size must be at least 1')
    # after the arguments: --help and a mistyped option answer at once
    import mmwsss.engine.hooks  # noqa: F401  registers the components
    import mmwsss.models  # noqa: F401
    from mmwsss.apis import load_config
    from mmwsss.apis.profiling import loader_cost, profile_step, synthetic_batch
    from mmwsss.registry import MODELS
    from mmwsss.utils.env import check_device

    device = check_device(args.device or 'auto')
    config = load_config(args.config)
    set_speed(config, args)
    result: dict = dict(config=Path(args.config).name, device=_name(device))
    try:
        result['loader_ms'] = loader_cost(config)
    except FileNotFoundError as error:
        result['loader_ms'] = None
        sys.stderr.write(f'no loader times: {error}\n')
    config.model.backbone.init_cfg = None
    model = MODELS.build(config.model).to(device)
    prepare_network(model, config.get('speed'))
    batch_size = args.batch_size or config.train_dataloader.batch_size
    batch = synthetic_batch(config, batch_size)
    result['batch_size'] = batch_size
    result.update(profile_step(config, model, batch, precision=args.precision, rounds=args.rounds))
    print(report(result))
    if args.json is not None:
        write_json(args.json, result)


def _name(device: 'torch.device') -> str:
    import torch

    return torch.cuda.get_device_name(device) if device.type == 'cuda' else 'CPU'


def report(result: dict) -> str:
    """The numbers as text."""
    rows = [
        ('batch', result['batch_size']),
        ('step, ms', f'{result["step_ms"]:.1f}'),
        ('queued after, ms', f'{result["host_ms"]:.1f}'),
        ('waits in a step', 'no device' if result['waits'] is None else result['waits']),
        ('operations, 10^12', f'{result["tflops"]:.3f}'),
        ('matmul peak, 10^12/s', f'{result["peak_tflops"]:.2f}'),
        ('share of the peak', f'{100 * result["fraction"]:.1f} %'),
    ]
    if 'peak_mib' in result:
        rows.append(('memory, MiB', f'{result["peak_mib"]:.0f}'))
    for name, value in (result['loader_ms'] or {}).items():
        rows.append((f'loader: {name}, CPU ms an image', f'{value:.2f}'))
    rows += [('waits at', place) for place in result['wait_places']]
    title = f'{result["config"]}, {result["device"]}, {result["precision"]}'
    return text_table((title, ''), [tuple(map(str, row)) for row in rows])


if __name__ == '__main__':
    sys.exit(run_main(main))
