"""Environment of a run: versions, hardware and the state of the source code."""

import os
import platform
import subprocess
from datetime import datetime
from importlib import import_module
from pathlib import Path
from typing import Any

import torch

from mmwsss.utils.io import write_json
from mmwsss.utils.pool import available_cores

MODULES = ('mmwsss', 'torch', 'mmengine', 'mmcv', 'mmseg', 'mmpretrain', 'numpy')
GIT_TIMEOUT_S = 20


def collect_environment(*, compilers: bool = False) -> dict[str, Any]:
    """Describe software and hardware.

    Args:
        compilers (bool): Also include the result of MMEngine's ``collect_env`` as ``build``:
            compilers, build settings of PyTorch, CUDA. It runs the compilers, which takes a second.

    Returns:
        dict: ``time`` (ISO 8601, local time with offset), ``platform``, ``versions`` (Python and
            modules), ``cpu_count`` (CPUs this process may use), ``cuda`` (version with which
            PyTorch was built, or None), ``gpus`` (names of the visible ones), ``git``
            (:func:`git_state`).
    """
    found = {
        'time': datetime.now().astimezone().isoformat(timespec='seconds'),
        'platform': platform.platform(),
        'versions': dict(
            python=platform.python_version(),
            **{name: import_module(name).__version__ for name in MODULES},
        ),
        'cpu_count': available_cores(),
        'cuda': torch.version.cuda,
        'gpus': [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())],
        'git': git_state(Path(__file__).parents[1]),
    }
    return dict(found, build=_build_of_pytorch()) if compilers else found


def _build_of_pytorch() -> dict[str, str]:
    """Compilers and build settings by MMEngine; without distutils, which it needs, a note."""
    try:
        from mmengine.utils.dl_utils import collect_env

        found = collect_env()
    except ImportError as error:  # Python 3.12 has no distutils unless setuptools is installed
        return dict(note=f'{error}: pip install setuptools')
    found.pop('numpy_random_seed', None)
    return {name: str(value) for name, value in found.items()}


def check_device(name: torch.device | str) -> torch.device:
    """The device with a name, checked before anything is built for it.

    Args:
        name: Name of PyTorch, or ``'auto'``: the first accelerator, or the CPU if there is none.

    Raises:
        ValueError: PyTorch does not know the device, or the machine does not have it.
    """
    if name == 'auto':
        from mmengine.device import get_device

        return torch.device(get_device())
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ValueError(
            f'device {str(name)!r}: not a device; use auto, cpu, cuda or cuda:1'
        ) from error
    if device.type == 'cuda':
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if not count:
            raise ValueError(f'device {str(name)!r}: PyTorch finds no GPU here; use cpu')
        if (device.index or 0) >= count:
            raise ValueError(
                f'device {str(name)!r}: there are {count} GPUs, cuda:0 to cuda:{count - 1}'
            )
    return device


def emulates_bf16(device: torch.device | str) -> bool:
    """Whether bfloat16 is slower than float32 on a device, because its instructions are emulated;
    False if PyTorch does not report it.

    Args:
        device (torch.device | str): CPU or accelerator.
    """
    kind = torch.device(device).type
    if kind == 'cuda':
        return not torch.cuda.is_bf16_supported(including_emulation=False)
    capabilities: dict[str, bool] = {}
    if kind == 'cpu':
        capabilities = getattr(torch.cpu, 'get_capabilities', dict)()
    names = [name for name in capabilities if name.endswith('bf16')]
    return bool(names) and not any(capabilities[name] for name in names)


def git_state(folder: Path) -> dict[str, Any] | None:
    """State of the git checkout that tracks ``folder``.

    Returns:
        dict | None: ``commit`` (full hash) and ``dirty`` (True if a tracked file is changed); None
        if git is not installed or does not respond, if there is no commit, or if ``folder`` is only
            located inside another checkout (such as an environment in it).
    """
    if not _git(folder, 'ls-files', '.'):
        return None
    commit = _git(folder, 'rev-parse', 'HEAD')
    changes = _git(folder, 'status', '--porcelain', '--untracked-files=no')
    return None if commit is None or changes is None else {'commit': commit, 'dirty': bool(changes)}


def write_environment(work_dir: str | Path, *, seed: int | None = None) -> dict[str, Any]:
    """Write ``environment.json`` into ``work_dir``, atomically.

    Args:
        work_dir (str | Path): Folder of the run, created if needed.
        seed (int, optional): Seed of the run, stored together with the content of
            :func:`collect_environment`.

    Returns:
        dict: The content that was written.
    """
    environment = dict(seed=seed, **collect_environment())
    write_json(Path(work_dir) / 'environment.json', environment)
    return environment


def _git(folder: Path, *arguments: str) -> str | None:
    """Output of a git command, or None if git is missing, fails or takes too long."""
    # variables of a calling git hook refer to another repository; a status must not wait for the
    # index lock or take it
    variables = {
        name: value
        for name, value in os.environ.items()
        if name not in ('GIT_DIR', 'GIT_WORK_TREE', 'GIT_INDEX_FILE')
    }
    variables['GIT_OPTIONAL_LOCKS'] = '0'
    try:
        result = subprocess.run(
            ['git', '-C', str(folder), *arguments],
            env=variables,
            capture_output=True,
            text=True,
            check=True,
            timeout=GIT_TIMEOUT_S,
        )
    except (OSError, subprocess.CalledProcessError, subprocess.TimeoutExpired):
        return None
    return result.stdout.strip()
