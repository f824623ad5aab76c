"""The only module that uses internals of dependencies. Every function is a no-op where no patch is
needed.
"""

import argparse
import contextlib
import io
import os
import pickle
import re
import threading
import warnings
from collections.abc import Iterator
from importlib import import_module
from importlib.metadata import PackageNotFoundError, distribution
from importlib.util import find_spec
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import urlparse

from mmwsss.utils.checkpoint_files import check_checkpoint
from mmwsss.utils.import_hooks import when_imported
from mmwsss.utils.package_files import PREFIX, find_config

if TYPE_CHECKING:  # PyTorch is imported where it is needed: `import mmwsss` stays light
    from torch import Tensor
    from torch.utils.data import DataLoader

DEPENDENCIES = dict(
    mmengine='onedl-mmengine',
    mmcv='onedl-mmcv',
    mmseg='onedl-mmsegmentation',
    mmpretrain='onedl-mmpretrain',
)


def prepare_dependencies() -> None:
    """Apply the patches that configs and checkpoints of mmwsss need, as soon as the patched modules
    are imported.

    Nothing heavy is imported here: ``import mmwsss`` stays light.

    Raises:
        ImportError: A package is not installed. The message names it in one line.
    """
    warnings.filterwarnings('ignore', message='Fail to import ``MultiScaleDeformableAttention``')
    for module, fork in DEPENDENCIES.items():
        if find_spec(module) is None:
            raise ImportError(f'mmwsss needs {module}: run `pip install {fork}`')
    when_imported('mmengine.config.utils', _name_config_packages)
    when_imported('mmengine.config.config', _find_own_configs)
    when_imported('mmengine.hub.hub', _get_own_configs)
    when_imported('mmengine.runner.checkpoint', _read_weights_only)
    when_imported('mmpretrain.utils.dependency', _leave_multimodal_models_out)
    when_imported('mmengine.runner.runner', _write_checkpoints_atomically)


def import_dependencies() -> None:
    """Import the OpenMMLab packages.

    Raises:
        ImportError: The import fails. The message says in one line which package to replace by its
            maintained fork.
    """
    for module, fork in DEPENDENCIES.items():
        try:
            import_module(module)
        except Exception as error:  # noqa: BLE001  any failure of a foreign import is reported
            raise ImportError(
                f'mmwsss cannot import {module} ({type(error).__name__}: {error}); '
                f'run `pip install {fork}` in place of the upstream package'
            ) from error


def _name_config_packages(utils: Any) -> None:
    """Let ``_base_ = ['mmseg::...']`` resolve: MMEngine looks up a distribution name, and the forks
    have another one.
    """
    utils.MODULE2PACKAGE['mmwsss'] = 'mmwsss'
    for module, upstream in (('mmseg', 'mmsegmentation'), ('mmpretrain', 'mmpretrain')):
        try:
            distribution(upstream)
        except PackageNotFoundError:
            utils.MODULE2PACKAGE[module] = module


def _find_own_configs(config: Any) -> None:
    """Let ``_base_ = ['mmwsss::mctformer_plus_voc.py']`` resolve, also in an editable install."""
    find_foreign = config.Config._get_cfg_path

    def find(cfg_path: str, filename: str) -> tuple[str, str | None]:
        if cfg_path.startswith(PREFIX):
            return str(find_config(cfg_path)), None
        return find_foreign(cfg_path, filename)

    config.Config._get_cfg_path = staticmethod(find)


def _get_own_configs(hub: Any) -> None:
    """Let :func:`mmengine.hub.get_config` read ``mmwsss::...``."""
    get_foreign = hub.get_config

    def get_config(cfg_path: str, pretrained: bool = False) -> Any:
        if not cfg_path.startswith(PREFIX):
            return get_foreign(cfg_path, pretrained)
        if pretrained:
            raise ValueError(
                f'{cfg_path}: mmwsss publishes no trained weights; those of the authors are named '
                f'in docs/user_guides/checkpoints.md'
            )
        from mmengine.config import Config

        return Config.fromfile(find_config(cfg_path))

    hub.get_config = get_config


def _leave_multimodal_models_out(dependency: Any) -> None:
    """Skip the language models of MMPretrain, which mmwsss does not use: if transformers is
    installed, importing them takes seconds, and with transformers 5 the import fails.
    """
    dependency.WITH_MULTIMODAL = False


def _read_weights_only(checkpoint: Any) -> None:
    """Let MMEngine read checkpoints only with ``weights_only=True``. By default it executes the
    code in a file when that fails.
    """
    checkpoint._safe_torch_load = load_weights_only
    checkpoint.load_url = _load_url_weights_only


def _write_checkpoints_atomically(runner: Any) -> None:
    """Let MMEngine write a checkpoint next to the old one and replace it when it is on the disk; by
    default it overwrites the file.
    """
    import torch
    from mmengine.runner import checkpoint as module

    from mmwsss.utils.io import atomic_open

    original = module.save_checkpoint

    def save_checkpoint(
        checkpoint: dict[str, Any],
        filename: str,
        file_client_args: dict[str, Any] | None = None,
        backend_args: dict[str, Any] | None = None,
    ) -> None:
        if file_client_args or backend_args or '://' in str(filename):
            original(checkpoint, filename, file_client_args, backend_args)
            return
        buffer = io.BytesIO()  # a full disk then raises an error of the system instead of PyTorch
        torch.save(checkpoint, buffer)
        with atomic_open(filename, durable=True) as file:
            file.write(buffer.getbuffer())

    module.save_checkpoint = runner.save_checkpoint = save_checkpoint


def load_weights_only(file: str | Path | IO[bytes], map_location: Any = None) -> Any:
    """Read a checkpoint without executing code in it.

    Tensors, plain containers, the logs of MMEngine and a command line (``argparse.Namespace``:
    DeiT, ToCo, CoSA) are read.

    Args:
        file (str | Path | BinaryIO): Checkpoint.
        map_location: As in :func:`torch.load`.

    Raises:
        FileNotFoundError: The file does not exist.
        ValueError: The file is not a checkpoint, is damaged (the checksums of the archive are
            compared), or needs other Python objects. The message names file and object.
    """
    import torch

    if isinstance(file, (str, os.PathLike)):
        # PyTorch reads corrupted data without an error
        check_checkpoint(file)
    with _checkpoint_globals(file):
        return torch.load(file, map_location=map_location, weights_only=True)


def _load_url_weights_only(url: str, **options: Any) -> Any:
    """:func:`torch.hub.load_state_dict_from_url` with the rules of :func:`load_weights_only`."""
    import torch

    with _checkpoint_globals(url):
        content = torch.hub.load_state_dict_from_url(url, weights_only=True, **options)
    folder = options.get('model_dir') or os.path.join(torch.hub.get_dir(), 'checkpoints')
    name = options.get('file_name') or os.path.basename(urlparse(url).path)
    if os.path.isfile(os.path.join(folder, name)):  # the zip of an older release is unpacked
        check_checkpoint(os.path.join(folder, name))
    return content


@contextlib.contextmanager
def _checkpoint_globals(file: str | Path | IO[bytes]) -> Iterator[None]:
    """Allow the types in checkpoints of MMEngine and of the papers, and name ``file`` in errors."""
    import torch
    from mmengine.runner.checkpoint import get_torch_safe_globals

    allowed = [entry for entry in get_torch_safe_globals() if entry is not getattr]
    allowed += [argparse.Namespace, (_log_method, 'builtins.getattr')]
    try:
        with torch.serialization.safe_globals(allowed):
            yield
    except (
        pickle.UnpicklingError,
        EOFError,
        RuntimeError,
        IndexError,
        KeyError,
        AttributeError,
        ValueError,
    ) as error:
        of_file = any(part in str(error) for part in ('PytorchStreamReader', 'inline_container'))
        if isinstance(error, RuntimeError) and not of_file:
            raise  # a missing device, for example
        found = re.search(r'GLOBAL (\S+)', str(error))
        if found is None:
            raise ValueError(
                f'{file}: not a checkpoint, or a damaged one; download it again'
            ) from error
        raise ValueError(
            f'{file}: holds {found[1]}, which is executable code, not weights; none was run. If '
            f'you trust the file, save its state_dict alone in another one'
        ) from error


def _log_method(owner: type, name: str) -> Any:
    """The only use of ``getattr`` in MMEngine's logs: a statistic of a history buffer."""
    from mmengine.logging import HistoryBuffer

    if owner is not HistoryBuffer or name.startswith('_'):
        raise pickle.UnpicklingError(f'GLOBAL getattr:{name}')
    return getattr(owner, name)


def restart_workers(dataloader: 'DataLoader[Any]') -> None:
    """Let a data loader start new worker processes for its next pass, even with
    ``persistent_workers``.
    """
    dataloader._iterator = None


def count_accuracy_on_device() -> None:
    """Let the decode heads of MMSegmentation log their accuracy without reading it: by default the
    number of labelled pixels is read from the device in every step.
    """
    import torch
    from mmseg.models.decode_heads import decode_head

    def accuracy(pred: 'Tensor', target: 'Tensor', ignore_index: int | None = None) -> 'Tensor':
        counted = (
            torch.ones_like(target, dtype=torch.bool)
            if ignore_index is None
            else target != ignore_index
        )
        eps = torch.finfo(torch.float32).eps
        hits = ((pred.argmax(1) == target) & counted).sum().float() + eps
        return (100 * hits / (counted.sum() + eps)).view(1)

    decode_head.accuracy = accuracy


def import_quietly(*modules: str) -> Any:
    """Import modules that print messages about irrelevant optional packages; returns the last
    one.
    """
    with contextlib.redirect_stdout(io.StringIO()):
        return [import_module(module) for module in modules][-1]


def revert_sync_batchnorm_off_ddp(cfg: Any) -> Any:
    """Replace SyncBN by BN in a config that will run in one process (SyncBN needs an initialised
    process group).

    Args:
        cfg (mmengine.ConfigDict | dict | list): Changed in place.

    Returns:
        The same object.
    """
    if isinstance(cfg, dict):
        if cfg.get('type') in ('SyncBN', 'mmcv.SyncBN', 'mmengine.SyncBN'):
            cfg['type'] = 'BN'
        for value in cfg.values():
            revert_sync_batchnorm_off_ddp(value)
    elif isinstance(cfg, (list, tuple)):
        for value in cfg:
            revert_sync_batchnorm_off_ddp(value)
    return cfg


@contextlib.contextmanager
def pillow_without_bound() -> Iterator[None]:
    """Let :func:`PIL.Image.open` read the header of an image of any size, for callers that check
    the size themselves (:mod:`mmwsss.utils.limits`); the limit of Pillow is restored at the end.
    """
    from PIL import Image

    with _pillow_lock:
        bound, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS = bound


_pillow_lock = threading.Lock()


def _new_pillow_lock() -> None:
    """Replace the lock in a forked process, which would deadlock if another thread held it."""
    global _pillow_lock
    _pillow_lock = threading.Lock()


if hasattr(os, 'register_at_fork'):
    os.register_at_fork(after_in_child=_new_pillow_lock)
