"""All stages of the toy pipeline on a few images, and everything that it is for."""

import zipfile
from pathlib import Path

import numpy as np
import torch

from mmwsss.utils.checkpoint_files import newest_checkpoint
from mmwsss.utils.compat import load_weights_only
from mmwsss.utils.fingerprint import list_content
from mmwsss.utils.io import read_json

ROOT = Path(__file__).parents[2]
TEXT = """
_base_ = '{configs}/pipelines/mctformer_plus_toy.py'
data = '{folder}/toy'
loader = dict(num_workers=0, persistent_workers=False)
small = dict(train_dataloader=dict(batch_size=4, **loader), val_dataloader=loader)
stage_args = dict(
    data=['--train', '8', '--val', '3', '--test', '3', '--workers', '1'],
    affinity_labels=['--workers', '0'],
)
stage_options = {{
    'classifier': {{
        'train_cfg.max_epochs': 4, 'train_cfg.val_interval': 2,
        'train_dataloader.batch_size': 4, 'train_dataloader.num_workers': 0,
        'train_dataloader.persistent_workers': False, 'val_dataloader.num_workers': 0,
        'val_dataloader.persistent_workers': False,
    }},
    'affinity': {{
        'train_cfg.max_iters': 12, 'default_hooks.checkpoint.interval': 4,
        'train_dataloader.batch_size': 2, 'train_dataloader.num_workers': 0,
        'train_dataloader.persistent_workers': False,
    }},
    'segmentation': {{
        'train_cfg.max_iters': 12, 'train_cfg.val_interval': 6,
        'default_hooks.checkpoint.interval': 4,
        'train_dataloader.batch_size': 4, 'train_dataloader.num_workers': 0,
        'train_dataloader.persistent_workers': False, 'val_dataloader.num_workers': 0,
        'val_dataloader.persistent_workers': False,
    }},
}}
del loader, small
"""


def write_config(folder: Path, name: str) -> Path:
    """Config of the pipeline with its data in ``folder``."""
    path = folder / f'{name}.py'
    path.write_text(TEXT.format(configs=ROOT / 'configs', folder=folder))
    return path


def results(work_dir: Path) -> dict[str, object]:
    """Every value that the pipeline is for, by stage and name: numbers, weights, maps, masks."""
    found: dict[str, object] = {}
    for folder in sorted(path for path in work_dir.iterdir() if path.is_dir()):
        for path in (folder / name for name in list_content(folder)):
            name = path.relative_to(work_dir).as_posix()
            if path.suffix == '.json':
                found.update(_flat(read_json(path), name))
            elif path.suffix == '.npz':
                with zipfile.ZipFile(path) as archive:
                    found[name] = [(i.filename, i.CRC) for i in archive.infolist()]
            elif path.suffix == '.png':
                found[name] = path.read_bytes()
        checkpoint, _ = newest_checkpoint(folder)
        if checkpoint is not None:
            content = load_weights_only(checkpoint)
            found[f'{folder.name}/checkpoint'] = Path(checkpoint).name
            for key, value in content['state_dict'].items():
                found[f'{folder.name}/{key}'] = _bytes(value)
    return found


def differences(one: dict[str, object], other: dict[str, object]) -> list[str]:
    """Names of the values that are not equal to the last bit."""
    return sorted(
        name for name in {*one, *other} if name not in one or one[name] != other.get(name)
    )


def _bytes(value: object) -> object:
    if isinstance(value, torch.Tensor):
        return np.ascontiguousarray(value.detach().float().numpy()).tobytes()
    return repr(value)


def _flat(node: object, name: str) -> dict[str, object]:
    if isinstance(node, dict):
        return {k: v for key in node for k, v in _flat(node[key], f'{name}:{key}').items()}
    if isinstance(node, list):
        return {k: v for i, item in enumerate(node) for k, v in _flat(item, f'{name}:{i}').items()}
    return {name: repr(node)}
