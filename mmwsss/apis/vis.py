"""Backends for training curves: TensorBoard, Weights & Biases, MLflow."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mmengine.config import Config

BACKENDS = dict(
    tensorboard='mmengine.TensorboardVisBackend',
    wandb='mmengine.WandbVisBackend',
    mlflow='mmengine.MLflowVisBackend',
)


def check_vis(name: str) -> None:
    """Reject a backend whose package is not installed.

    Args:
        name (str): ``'tensorboard'``, ``'wandb'`` or ``'mlflow'``, which are also the names of the
            packages.

    Raises:
        ValueError: The package is missing.
    """
    if find_spec(name) is None:
        raise ValueError(f'--vis {name} needs a package that is not installed: pip install {name}')


def add_vis(config: Config, name: str) -> None:
    """Add a backend to the visualiser of a config unless it is already present.

    Args:
        config (Config): Changed in place.
        name (str): See :func:`check_vis`.
    """
    backends = list(config.visualizer.get('vis_backends') or [])
    if all(entry['type'] != BACKENDS[name] for entry in backends):
        config.visualizer.vis_backends = [*backends, dict(type=BACKENDS[name])]
