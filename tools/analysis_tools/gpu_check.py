"""Check this project on a GPU in at most eight minutes: correctness, waits, speed.

1. Three steps of every method's real config in fp32, fp16 and bf16, with random weights and bytes:
   losses finite, waits in a step (as PyTorch reports them), share of the matmul peak, memory.
2. CAMs of the GPU against those of the CPU in fp32.
3. ``pytest -m gpu``.
4. The benchmark with ``--device cuda``.

Everything goes into one JSON file, written after each part; a part that does not fit into the time
is left out and named.
"""

import argparse
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from mmwsss.utils.cli import run_main
from mmwsss.utils.io import write_json

if TYPE_CHECKING:
    import torch

ROOT = Path(__file__).resolve().parents[2]
CONFIGS = (
    'mctformer_plus_voc',
    'mctformer_v2_voc',
    'aream_voc',
    'acr_voc',
    'mcc_voc',
    'toco_voc',
    'cosa_voc',
    'cosa-paper_voc',
    'psa_voc',
    'irn_voc',
    'deeplabv1_r38_voc_pseudo',
    'deeplabv2_r101_voc_pseudo',
    'upernet_swin-b_voc_pseudo',
)
PRECISIONS = ('fp32', 'bf16', 'fp16')
BENCHMARKS = (
    'train',
    'cam',
    'cam_batch8',
    'par',
    'crf_batch',
    'energy',
    'walk',
    'sweep',
    'cams',
    'feed',
)
AGREEMENT = 1e-4  # of CAMs on GPU and CPU in fp32
SECONDS = 480


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--out', type=Path, default='gpu_check.json', help='default: %(default)s')
    parser.add_argument('--seconds', type=float, default=SECONDS, help='default: %(default)s')
    parser.add_argument('--configs', nargs='+', default=list(CONFIGS), help='default: all methods')
    parser.add_argument('--device', default='cuda', help='cpu: a rehearsal (default: %(default)s)')
    return parser.parse_args()


class Record(dict):
    """Results in a file, and the time that is left."""

    def __init__(self, path: Path, seconds: float) -> None:
        super().__init__(left_out=[])
        self.path, self.end = path, time.monotonic() + seconds

    def left(self) -> float:
        """Seconds."""
        return self.end - time.monotonic()

    def save(self, name: str, value: object) -> None:
        """Store a result and write the file."""
        self[name] = value
        write_json(self.path, self)


def main() -> int:
    args = parse_args()
    # after the arguments: --help and a mistyped option answer at once
    import torch

    from mmwsss.utils.env import check_device

    device = check_device(args.device)
    record = Record(args.out, args.seconds)
    card = torch.cuda.get_device_name(device) if device.type == 'cuda' else 'CPU (a rehearsal)'
    record.save('machine', dict(device=card, torch=torch.__version__))
    failed = []
    for name in args.configs:
        for precision in PRECISIONS if device.type == 'cuda' else PRECISIONS[:1]:
            key = f'{name}/{precision}'
            if record.left() < args.seconds / 3:
                record['left_out'].append(key)
                continue
            record.save(key, steps_of(name, precision, device))
            result = record[key]
            ok = 'error' not in result and all(
                value == value and abs(value) < float('inf') for value in result['losses'].values()
            )
            failed += [] if ok and not result.get('waits') else [key]
            print(key, result.get('error') or summary(result), flush=True)
    record.save('cams', agreement(device))
    if record['cams'] > AGREEMENT:
        failed.append('cams')
    for part, command in (
        ('pytest', ['-m', 'pytest', '-q', '-m', 'gpu', 'tests']),
        (
            'benchmark',
            [
                'tools/analysis_tools/benchmark.py',
                '--device',
                args.device,
                '--repeats',
                '3',
                '--suite',
                *BENCHMARKS,
                '--json',
                str(args.out.resolve().with_name('gpu_benchmark.json')),
            ],
        ),
    ):
        record.save(part, run(command, record.left()))
        print(part, 'ended with', record[part]['code'], flush=True)
    record.save('failed', failed)
    return 1 if failed else 0


def summary(result: dict) -> str:
    """One line of a step."""
    return (
        f'{result["step_ms"]:.0f} ms a step, {100 * result["fraction"]:.0f} % of the matmul peak, '
        f'{result["waits"]} waits, {result.get("peak_mib", 0):.0f} MiB'
    )


def steps_of(name: str, precision: str, device: 'torch.device') -> dict:
    """Steps of a config; what goes wrong is part of the result, so that the others are checked."""
    import torch

    import mmwsss.engine.hooks  # noqa: F401  registers the components
    import mmwsss.models  # noqa: F401
    from mmwsss.apis import load_config
    from mmwsss.apis.profiling import profile_step, synthetic_batch
    from mmwsss.registry import MODELS

    config = load_config(ROOT / 'configs' / f'{name}.py')
    config.model.backbone.init_cfg = None
    try:
        torch.manual_seed(0)
        model = MODELS.build(config.model).to(device)
        batch = synthetic_batch(config, config.train_dataloader.batch_size)
        return profile_step(config, model, batch, precision=precision, rounds=1)
    except (RuntimeError, ValueError, TypeError, AssertionError) as error:
        return dict(error=f'{type(error).__name__}: {str(error)[:500]}')
    finally:
        if device.type == 'cuda':
            torch.cuda.empty_cache()


def agreement(device: 'torch.device') -> float:
    """Largest difference of the CAMs of an image on a device and on the CPU."""
    import torch

    import mmwsss.models  # noqa: F401  registers the components
    from mmwsss.apis import load_config
    from mmwsss.registry import MODELS
    from mmwsss.structures import WSSSDataSample

    config = load_config(ROOT / 'configs' / 'mctformer_plus_voc.py')
    config.model.backbone.init_cfg = None
    torch.manual_seed(0)
    model = MODELS.build(config.model).eval()
    for layer in model.backbone.layers:  # contrast, as trained attention has
        torch.nn.init.normal_(layer.attn.qkv.weight, std=1.5 * model.backbone.embed_dims**-0.5)
    image = torch.randint(0, 256, (3, 224, 320), dtype=torch.uint8)
    tags = torch.zeros(20)
    tags[[3, 14]] = 1

    def cams(place: torch.device) -> torch.Tensor:
        sample = WSSSDataSample(metainfo=dict(ori_shape=(224, 320))).set_gt_tags(tags)
        data = dict(inputs=[image], data_samples=[sample])
        return model.to(place).test_step(data)[0].pred_cams.data.cpu()

    return float((cams(torch.device('cpu')) - cams(device)).abs().max())


def run(command: list[str], seconds: float) -> dict:
    """A Python program within a time: its exit code (124: it was ended) and the end of its
    output.
    """
    try:
        done = subprocess.run(
            [sys.executable, *command],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=max(seconds, 1),
        )
    except subprocess.TimeoutExpired:
        return dict(code=124, output='')
    return dict(code=done.returncode, output=(done.stdout + done.stderr)[-4000:])


if __name__ == '__main__':
    sys.exit(run_main(main))
