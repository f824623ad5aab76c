"""Golden vectors as tensors."""

from pathlib import Path

import numpy as np
import torch


def golden_tensors(name, prefix=''):
    """Tensors of ``tests/golden/<name>.npz`` whose names start with ``prefix``, without it."""
    with np.load(Path(__file__).parent / 'golden' / f'{name}.npz', allow_pickle=False) as data:
        return {
            key.removeprefix(prefix): torch.from_numpy(np.asarray(data[key]))
            for key in data.files
            if key.startswith(prefix)
        }
