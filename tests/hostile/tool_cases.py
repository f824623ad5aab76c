"""A table of wrong inputs for the tools that take a config and a checkpoint.

Every case ends with exit code 1 and one line that names the file; nothing is written and no code
runs. ``make test`` runs those that end before a network is built, ``make soak`` all of them.
"""

import os
import pickle
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image

from tests.tools.program import CONFIGS, run_tool

MARKER = 'CODE_RAN'  # file that hostile code would make, in the current folder


class Good(NamedTuple):
    """A trained toy classifier."""

    config: str
    checkpoint: Path
    data: Path
    options: dict[str, Any]


class ToolCase(NamedTuple):
    """A wrong input.

    Attributes:
        name: Tool and kind.
        tool: File below ``tools``.
        victim: Wrong file, relative to the scratch folder.
        make: (good, victim) -> None; makes it.
        command: (good, victim, out) -> arguments and overrides.
        quick: Whether it ends before a network is built.
    """

    name: str
    tool: str
    victim: str
    make: Callable[[Good, Path], Any]
    command: Callable[[Good, Path, Path], tuple[list, dict[str, Any]]]
    quick: bool


class _Code:
    """Runs code when it is unpickled by a loader that allows it."""

    def __reduce__(self) -> tuple:
        return os.system, (f'touch {MARKER}',)


def _bytes(data: bytes) -> Callable[[Good, Path], Any]:
    return lambda good, path: path.write_bytes(data)


def _saved(content: Any) -> Callable[[Good, Path], Any]:
    return lambda good, path: torch.save(content, path)


def _changed(change: Callable[[dict], Any]) -> Callable[[Good, Path], Any]:
    """The good checkpoint with changes."""

    def make(good: Good, path: Path) -> None:
        content = torch.load(good.checkpoint, map_location='cpu', weights_only=False)
        change(content)
        torch.save(content, path)

    return make


def _cut(good: Good, path: Path) -> None:
    data = good.checkpoint.read_bytes()
    path.write_bytes(data[: len(data) // 2])


def _flipped(good: Good, path: Path) -> None:
    data = bytearray(good.checkpoint.read_bytes())
    data[len(data) // 2] ^= 0x41
    path.write_bytes(data)


def _archive(good: Good, path: Path) -> None:
    np.savez(path.with_suffix('.npz'), a=np.zeros(3))
    path.with_suffix('.npz').rename(path)


def _weights(change: Callable[[torch.Tensor], torch.Tensor]) -> Callable[[dict], Any]:
    def apply(content: dict) -> None:
        content['state_dict'] = {
            name: change(value) if value.is_floating_point() else value
            for name, value in content['state_dict'].items()
        }

    return apply


NOT_A_FILE: dict[str, Callable[[Good, Path], Any]] = {
    'missing': lambda good, path: None,
    'folder': lambda good, path: path.mkdir(),
    'pipe': lambda good, path: os.mkfifo(path),
    'device': lambda good, path: path.symlink_to('/dev/zero'),
    'link to itself': lambda good, path: path.symlink_to(path.name),
}
DAMAGED: dict[str, Callable[[Good, Path], Any]] = {
    'empty': _bytes(b''),
    'cut in the middle': _cut,
    'a changed byte': _flipped,
}
FOREIGN: dict[str, Callable[[Good, Path], Any]] = {
    'random bytes': _bytes(np.random.default_rng(0).bytes(3000)),
    'a web page': _bytes(b'<!DOCTYPE html><html><body>404</body></html>'),
    'a pointer of Git LFS': _bytes(b'version https://git-lfs.github.com/spec/v1\nsize 12\n'),
    'code': _bytes(pickle.dumps(_Code())),
    'code as weights': _saved(dict(state_dict=_Code())),
    'another archive': _archive,
    'a list': _saved([torch.zeros(2)]),
    'a tensor': _saved(torch.zeros(2)),
    'no weights': _saved({}),
    'text as weights': _saved(dict(state_dict='x')),
    'a list as weights': _saved(dict(state_dict=[1])),
    'numbers as weights': _saved(dict(state_dict=dict(a=1))),
    'names that are numbers': _saved({'state_dict': {1: torch.zeros(2)}}),
    'another network': _saved(dict(state_dict={'conv1.weight': torch.zeros(3, 3)})),
    'other shapes': _changed(_weights(lambda value: value[..., None])),
    'not a number': _changed(_weights(lambda value: value * float('nan'))),
}
NO_STATE: dict[str, Callable[[Good, Path], Any]] = {
    'notes that are text': _changed(lambda content: content.update(meta='x')),
    'notes that are a list': _changed(lambda content: content.update(meta=[1])),
    'no notes': _changed(lambda content: content.pop('meta')),
    'no logs': _changed(lambda content: content.pop('message_hub')),
}


def _test(good: Good, victim: Path, out: Path) -> tuple[list, dict]:
    return [good.config, victim, '--work-dir', out], good.options


def _cams(good: Good, victim: Path, out: Path) -> tuple[list, dict]:
    return [good.config, victim, '--split', 'val', '--out', out], good.options


def _demo(good: Good, victim: Path, out: Path) -> tuple[list, dict]:
    photo = next(iter(sorted((good.data / 'JPEGImages').iterdir())))
    words = [photo, '--config', good.config, '--checkpoint', victim, '--out', out]
    return words, good.options


def _resume(good: Good, victim: Path, out: Path) -> tuple[list, dict]:
    return [good.config, '--work-dir', out, '--resume', victim], good.options


def _start(good: Good, victim: Path, out: Path) -> tuple[list, dict]:
    return [good.config, '--work-dir', out], {**good.options, 'load_from': victim}


USERS = {
    'test.py': ('test.py', _test),
    'generate_cams.py': ('generate_cams.py', _cams),
    'demo.py': ('demo.py', _demo),
    'train.py --resume': ('train.py', _resume),
    'train.py load_from': ('train.py', _start),
}

CONFIG_KINDS: dict[str, Callable[[Good, Path], Any]] = {
    **NOT_A_FILE,
    'empty': _bytes(b''),
    'random bytes': _bytes(np.random.default_rng(1).bytes(300)),
    'prose': _bytes(b'Dear all, the photos are in the other folder.\n'),
    'UTF-16': _bytes('model = dict()'.encode('utf-16')),
    'NUL': _bytes(b'model = dict()\0'),
    'division by zero': _bytes(b'a = 1 / 0\n'),
    'an assertion': _bytes(b'assert False\n'),
    'its own base': _bytes(b"_base_ = './victim.py'\n"),
    'a base that is missing': _bytes(b"_base_ = './nowhere.py'\n"),
    'numbers': _bytes(
        b'model = 5\ntest_dataloader = 5\ntrain_dataloader = 5\nstages = 5\nrecipe = 5\ngrid = 5\n'
    ),
    'lists': _bytes(b'model = [1]\ntest_dataloader = [1]\nstages = [1]\ngrid = dict(rows=[1])\n'),
    'nothing known': _bytes(b"colour = 'red'\n"),
    'an unknown network': _bytes(
        b"model = dict(type='mmwsss.Nope')\ntest_dataloader = dict(dataset=dict(type='Nope'))\n"
    ),
}


def _with_config(*words: Any) -> Callable[[Good, Path, Path], tuple[list, dict]]:
    def command(good: Good, victim: Path, out: Path) -> tuple[list, dict]:
        named = dict(CHECKPOINT=good.checkpoint, CONFIG=victim, OUT=out)
        named['PHOTO'] = next(iter(sorted((good.data / 'JPEGImages').iterdir())))
        return [named.get(word, word) for word in words], {}

    return command


CONFIG_USERS = {
    'train.py': _with_config('CONFIG', '--work-dir', 'OUT'),
    'test.py': _with_config('CONFIG', 'CHECKPOINT', '--work-dir', 'OUT'),
    'generate_cams.py': _with_config('CONFIG', 'CHECKPOINT', '--split', 'val', '--out', 'OUT'),
    'demo.py': _with_config(
        *('PHOTO', '--config', 'CONFIG', '--checkpoint', 'CHECKPOINT', '--out', 'OUT')
    ),
    'run_pipeline.py': _with_config('CONFIG', '--work-dir', 'OUT'),
    'run_grid.py': _with_config('CONFIG', '--work-dir', 'OUT'),
}


def _list(text: str) -> Callable[[Good, Path], Any]:
    return lambda good, path: path.write_text(text)


LIST_KINDS: dict[str, Callable[[Good, Path], Any]] = {
    **NOT_A_FILE,
    'empty': _bytes(b''),
    'UTF-16': _bytes('train_00000\n'.encode('utf-16')),
    'an id outside': _list('../train_00000\n'),
    'an absolute id': _list('/train_00000\n'),
    'an id twice': _list('train_00000\ntrain_00000\n'),
    'an id without a photo': _list('train_00000\nnobody\n'),
}


def _listed(good: Good, victim: Path, out: Path, loader: str) -> dict[str, Any]:
    return {**good.options, f'{loader}_dataloader.dataset.ann_file': victim.absolute()}


LIST_USERS: dict[str, tuple[str, Callable[[Good, Path, Path], tuple[list, dict]]]] = {
    'train.py': (
        'train.py',
        lambda good, victim, out: (
            [good.config, '--work-dir', out],
            _listed(good, victim, out, 'train'),
        ),
    ),
    'test.py': (
        'test.py',
        lambda good, victim, out: (
            [good.config, good.checkpoint, '--work-dir', out],
            _listed(good, victim, out, 'test'),
        ),
    ),
    'generate_cams.py': (
        'generate_cams.py',
        lambda good, victim, out: (
            [good.config, good.checkpoint, '--split', victim, '--out', out],
            good.options,
        ),
    ),
}


def _photo_command(good: Good, victim: Path, out: Path) -> tuple[list, dict]:
    words = [victim, '--config', good.config, '--checkpoint', good.checkpoint, '--out', out]
    return words, good.options


def _slide(good: Good, path: Path) -> None:
    Image.new('1', (13400, 13400)).save(path, 'PNG')


PHOTO_KINDS: dict[str, Callable[[Good, Path], Any]] = {
    **{key: make for key, make in NOT_A_FILE.items() if key != 'folder'},
    'a folder without photos': lambda good, path: path.mkdir(),
    'empty': _bytes(b''),
    'random bytes': _bytes(np.random.default_rng(2).bytes(300)),
    'cut': lambda good, path: path.write_bytes(
        next(iter(sorted((good.data / 'JPEGImages').iterdir()))).read_bytes()[:400]
    ),
    'a slide of 180 million pixels': _slide,
    'two by two pixels': lambda good, path: Image.new('RGB', (2, 2)).save(path, 'PNG'),
}


def _state_command(tool: str) -> Callable[[Good, Path, Path], tuple[list, dict]]:
    config = CONFIGS / 'pipelines' / 'mctformer_plus_toy.py'
    if tool == 'run_grid.py':
        config = CONFIGS / 'ablations' / 'mcc_table3_toy.py'
    return lambda good, victim, out: ([config, '--work-dir', victim], {})


def tool_cases() -> Iterator[ToolCase]:
    """All cases."""
    for user, (tool, command) in USERS.items():
        for kinds, quick in ((NOT_A_FILE, True), (DAMAGED, True), (FOREIGN, False)):
            for kind, make in kinds.items():
                fast = quick and tool != 'demo.py'
                yield ToolCase(f'{user}: checkpoint: {kind}', tool, 'x.pth', make, command, fast)
    for kind, make in NO_STATE.items():
        name = f'train.py --resume: checkpoint: {kind}'
        yield ToolCase(name, 'train.py', 'x.pth', make, _resume, False)
    for tool, command in CONFIG_USERS.items():
        for kind, make in CONFIG_KINDS.items():
            yield ToolCase(f'{tool}: config: {kind}', tool, 'victim.py', make, command, True)
    for user, (tool, command) in LIST_USERS.items():
        for kind, make in LIST_KINDS.items():
            yield ToolCase(f'{user}: list: {kind}', tool, 'list.txt', make, command, False)
    for kind, make in PHOTO_KINDS.items():
        name = f'demo.py: photo: {kind}'
        yield ToolCase(name, 'demo.py', 'photo.png', make, _photo_command, False)
    for tool in ('run_pipeline.py', 'run_grid.py'):
        make = _bytes(b'a file')
        yield ToolCase(
            f'{tool}: work dir that is a file', tool, 'work', make, _state_command(tool), True
        )


def listing(folder: Path) -> list[str]:
    """Everything below a folder."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob('*'))


def offence(case: ToolCase, good: Good, folder: Path) -> str | None:
    """What is wrong with how a case ends; None if nothing is. The current folder is scratch."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    victim, out = folder / case.victim, folder / 'out'
    case.make(good, victim)
    arguments, options = case.command(good, victim, out)
    before = listing(folder)
    try:
        result = run_tool(case.tool, *arguments, options=options or None)
    except BaseException as error:  # noqa: BLE001  a traceback is what the test looks for
        return f'{case.name}: {type(error).__name__}: {error}'
    errors = [line for line in result.err.splitlines() if line.startswith('error: ')]
    if Path(MARKER).exists():
        Path(MARKER).unlink()
        return f'{case.name}: code of the file ran'
    if result.code != 1 or len(errors) != 1 or 'Traceback' in result.err:
        return f'{case.name}: exit code {result.code}: {result.err[-300:]}{result.out[-300:]}'
    if victim.stem not in errors[0]:
        return f'{case.name}: the file is not named: {errors[0]}'
    if listing(folder) != before:
        return f'{case.name}: wrote {sorted({*listing(folder)} - {*before})[:5]}'
    return None
