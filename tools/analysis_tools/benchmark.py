"""Compare our code with a plain textbook version of the same computation: seconds, ratio, peak
memory and the largest difference of the results.

Other items only measure (loaders: CPU milliseconds per image of every training pipeline; steps,
cams, feed: training steps, maps and loading on a device).

Both versions alternate, and their medians are compared. On a GPU, events measure the time after all
earlier work has finished. Shares are those of the machine: operations of a large product of
matrices in float32, bytes of a large copy. Peak memory is what one run needs above its inputs and
weights, each in its own process: resident memory on a CPU, allocated memory on a GPU. Items:
suites/__init__.py; textbook versions: textbook/.
"""

import argparse
import multiprocessing
import signal
import sys
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from benchmarks.suites import ITEMS, LONG_ITEMS, TABLES
from mmwsss.utils.cli import run_main
from mmwsss.utils.io import write_json
from mmwsss.utils.tables import text_table

COLUMNS = (
    'ours_s',
    'textbook_s',
    'ratio',
    'ours_mib',
    'textbook_mib',
    'max_abs_diff',
    'matmul_share',
    'bandwidth_share',
)


def parse_args(argv=None):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        '--suite',
        nargs='+',
        choices=(*ITEMS, *TABLES),
        metavar='ITEM',
        default=[item for item in ITEMS if item not in LONG_ITEMS],
        help=f'what to compare, of {" ".join(ITEMS)}, or to measure, of {" ".join(TABLES)} '
        f'(default: what can be compared but {" ".join(LONG_ITEMS)})',
    )
    parser.add_argument('--device', default='cpu', help='e.g. cpu or cuda:1 (default %(default)s)')
    parser.add_argument(
        '--repeats',
        type=int,
        default=5,
        help='timed rounds after a warm-up; one if it is long (default %(default)s)',
    )
    parser.add_argument('--threads', type=int, help='threads of PyTorch (default: one per core)')
    parser.add_argument(
        '--quick',
        action='store_true',
        help='small inputs: everything runs, but the numbers mean nothing',
    )
    parser.add_argument(
        '--json', type=Path, metavar='F', help='file for the results, written after each item'
    )
    args = parser.parse_args(argv)
    for name in ('repeats', 'threads'):
        if getattr(args, name) is not None and getattr(args, name) < 1:
            parser.error(f'--{name} must be at least 1')
    return args


def main(argv=None):
    args = parse_args(argv)
    # after the arguments: --help and a mistyped option answer at once
    import torch

    from mmwsss.utils.env import check_device

    device = check_device(args.device)
    items = list(dict.fromkeys(args.suite))
    results, failed = {}, []
    columns = (
        TextColumn('{task.description}'),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    # without a thread that redraws it: the process is about to be forked
    with Progress(
        *columns, console=Console(stderr=True), auto_refresh=False, transient=True
    ) as progress:
        task = progress.add_task('', total=len(items) * (args.repeats + 3))
        advance = partial(progress.update, task, refresh=True)
        for number, item in enumerate(items):
            call = partial(
                in_own_process,
                device,
                args.threads,
                tell=lambda text, item=item: advance(advance=1, description=f'{item}: {text}'),
            )
            try:
                results[item] = measure_item(call, item, args.quick, args.repeats)
            except ValueError as error:
                failed.append(f'{item}: {error}')
                continue
            advance(completed=(number + 1) * (args.repeats + 3))
            if args.json is not None:
                write_json(args.json, results)
    if results:
        print(
            f'PyTorch {torch.__version__}, {args.device}, '
            f'{args.threads or torch.get_num_threads()} threads'
            f'{", SMALL INPUTS: times mean nothing" if args.quick else ""}'
        )
        compared = {item: result for item, result in results.items() if item in ITEMS}
        if compared:
            print(table(compared))
        for item in results.keys() - compared.keys():
            print(measured_table(item, results[item]))
    if failed:
        raise ValueError('; '.join(failed))


def measure_item(call, item, quick, repeats):
    """Everything about an item, each measurement in a process of its own."""
    # imported here, before the fork, not in every process
    from benchmarks.measurement import SIDES, measure_memory, measure_table, measure_time

    if item in TABLES:
        return call(measure_table, item, quick)
    result = call(measure_time, item, quick, repeats)
    memory = {f'{side}_mib': call(measure_memory, item, side, quick) for side in SIDES}
    return {key: (result | memory)[key] for key in COLUMNS}


def measured_table(item, rows):
    """An item that only measures, as text."""
    names = list(dict.fromkeys(name for row in rows.values() for name in row))
    return text_table(
        (item, *names),
        [(row, *(_number(rows[row].get(name, '')) for name in names)) for row in rows],
    )


def _number(value):
    return f'{value:.3g}' if isinstance(value, float) else str(value)


def table(results):
    """Results as text; memory ratios are ours over textbook."""
    rows = [
        (
            item,
            *(f'{value:.3g}' for value in (result['ours_s'], result['textbook_s'])),
            f'{result["ratio"]:.2f}x',
            *(f'{value:.0f}' for value in (result['ours_mib'], result['textbook_mib'])),
            f'{result["ours_mib"] / result["textbook_mib"]:.2f}x',
            f'{result["max_abs_diff"]:.1e}',
            *(f'{100 * result[share]:.0f} %' for share in ('matmul_share', 'bandwidth_share')),
        )
        for item, result in results.items()
    ]
    return text_table(
        (
            'item',
            'ours s',
            'textbook s',
            'faster',
            'ours MiB',
            'textbook MiB',
            'memory',
            'difference',
            'of matmul peak',
            'of bandwidth',
        ),
        rows,
    )


# Processes ----------------------------------------------------------------------------------------


def in_own_process(device, threads, function, *args, tell):
    """``function(*args, device, tell)`` in a new process; ``tell`` carries its messages to the
    caller.

    Raises:
        ValueError: The function raised one, or its process died.
    """
    # A fork of this process, which only ever imports, is ready at once; CUDA does not survive one.
    context = multiprocessing.get_context(
        'fork' if sys.platform == 'linux' and device.type == 'cpu' else 'spawn'
    )
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_run, args=(sender, device, threads, function, *args))
    process.start()
    sender.close()
    try:
        while True:
            kind, value = receiver.recv()
            if kind == 'message':
                tell(value)
                continue
            if kind == 'error':
                raise ValueError(value)
            return value
    except EOFError as error:
        process.join()
        raise ValueError(
            f'the process that measures it ended with code {process.exitcode} (out of memory?)'
        ) from error
    except KeyboardInterrupt:
        process.terminate()
        raise
    finally:
        process.join()


def _run(sender, device, threads, function, *args):
    import torch

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's
    if threads is not None:
        torch.set_num_threads(threads)
    if device.type == 'cuda' and device.index is not None:
        torch.cuda.set_device(device)  # events are recorded on the current one
    try:
        sender.send(
            ('result', function(*args, device, lambda text: sender.send(('message', text))))
        )
    except (ValueError, torch.cuda.OutOfMemoryError) as error:
        sender.send(('error', str(error)))


if __name__ == '__main__':
    sys.exit(run_main(main))
