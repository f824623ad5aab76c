"""Runs the stages of an experiment in order, each in a process of its own, and picks up
where it was stopped.
"""

import hashlib
import json
import re
import shutil
import subprocess
import sys
import time
from collections import deque
from pathlib import Path
from re import Match
from typing import Any

from mmengine.config import Config
from rich.console import Console

import mmwsss
from mmwsss.apis.pipeline_config import PLACEHOLDER, RESERVED, read_pipeline
from mmwsss.utils.io import read_json, write_json

DISTRIBUTED_TOOLS = ('train.py', 'test.py', 'generate_cams.py')


class StageFailed(RuntimeError):
    """A stage ended with an error; the message names its log."""


class Pipeline:
    """Stages of an experiment.

    The config names a ``recipe`` or holds ``stages``, a list of
    ``dict(name=..., tool=..., args=[...])`` with a tool of ``tools/`` and its arguments. In
    arguments ``{configs}`` is the folder of the configs, ``{work_dir}`` the folder of the pipeline,
    ``{<stage>}`` that of a stage, ``{<stage>.checkpoint}`` the last checkpoint of a training stage,
    ``{<stage>.best_checkpoint}`` the one that its validation chose,
    ``{<stage>:cam/best_threshold}`` a number of its ``metrics.json``, and any other name a value of
    the config, overrides included. ``results`` maps a metric prefix to the stage that its numbers
    come from.

    A stage is done when ``<work_dir>/<stage>/stage.json`` says so and neither its arguments nor its
    config has changed; else it runs again, and every later stage with it. One with ``always=True``
    runs every time (a tool that itself finds nothing to do). An interrupted stage continues:
    training from its last checkpoint, tools from the files that are there.

    Args:
        config (str | Path): Pipeline config.
        work_dir (str | Path, optional): Default: ``work_dir`` of the config.
        gpus (int): More than 1 runs training, testing and CAM generation under ``torchrun`` with so
            many processes.
        options (dict, optional): Overrides of the config.

    Raises:
        FileNotFoundError: No such config.
        ValueError: Malformed stages.
    """

    def __init__(
        self,
        config: str | Path,
        *,
        work_dir: str | Path | None = None,
        gpus: int = 1,
        options: dict[str, str] | None = None,
    ) -> None:
        self.config, self.stages, self.results, self.report, self.values = read_pipeline(
            config, options
        )
        self.name = Path(config).stem
        self.work_dir = Path(
            work_dir or self.values.get('work_dir') or Path('work_dirs') / f'{self.name}_pipeline'
        )
        self.configs, self.tools = find_folders(config)
        self.gpus = gpus
        for stage in self.stages:
            if not (self.tools / stage['tool']).is_file():
                raise ValueError(
                    f'{config}: stage {stage["name"]}: no such tool: {self.tools / stage["tool"]}'
                )
        self.console = Console(highlight=False)

    def run(self, *, start: str | None = None, dry_run: bool = False) -> list[dict[str, Any]]:
        """Run what is not done.

        Args:
            start (str, optional): Run this stage and all later ones again from scratch.
            dry_run (bool): Only print what would run.

        Returns:
            list[dict]: ``name``, ``status`` (``done`` or ``skipped``) and ``seconds`` of every
            stage.

        Raises:
            StageFailed: A stage failed.
            ValueError: ``start`` is not a stage.
        """
        names = [stage['name'] for stage in self.stages]
        if start is not None and start not in names:
            raise ValueError(f'--from {start}: no such stage; stages are {", ".join(names)}')
        summary, rerun = [], False
        for number, stage in enumerate(self.stages, 1):
            name, folder = stage['name'], self.work_dir / stage['name']
            title = f'[{number}/{len(self.stages)}] {name}'
            if dry_run:
                self.console.print(
                    f'{title}: {stage["tool"]} {" ".join(map(str, stage["args"]))}',
                    soft_wrap=True,
                    markup=False,
                )
                continue
            command, settings = self._command(stage)
            state = self._read_state(folder)
            rerun = rerun or name == start
            unchanged = state.get('settings') == settings and not rerun
            if unchanged and state.get('status') == 'done' and not stage.get('always'):
                self.console.print(f'{title}: done before ({state["seconds"]:.0f} s)', markup=False)
                summary.append(dict(name=name, status='skipped', seconds=state['seconds']))
                continue
            if not unchanged and folder.exists():  # what is there belongs to other settings
                if any(folder.iterdir()) and not (folder / 'stage.json').is_file():
                    raise ValueError(
                        f'{folder}: holds files that no pipeline has made; choose another '
                        f'--work-dir'
                    )
                shutil.rmtree(folder)
            rerun = rerun or not stage.get('always')
            seconds = self._run_stage(
                title,
                stage,
                command,
                settings,
                folder,
                state if unchanged and state.get('status') != 'done' else {},
            )
            summary.append(dict(name=name, status='done', seconds=seconds))
        return summary

    def metrics(self) -> dict[str, Any]:
        """Numbers of all stages named in ``results``: flat, with the protocol of each prefix.

        ``seed`` is the CAM sweep of the training images, which the stage itself calls ``cam``.
        """
        merged: dict[str, Any] = {}
        protocol: dict[str, Any] = {}
        for prefix, stage in self.results.items():
            numbers = read_json(self.work_dir / stage / 'metrics.json')
            own = 'cam' if prefix == 'seed' else prefix
            merged.update(
                {
                    prefix + key.removeprefix(own): value
                    for key, value in numbers.items()
                    if key.startswith(f'{own}/')
                }
            )
            recorded = numbers.get('protocol', {})
            protocol[prefix] = recorded.get(own, recorded)
        return {**merged, 'protocol': protocol}

    def _command(self, stage: dict[str, Any]) -> tuple[list[str], dict[str, Any]]:
        """Command of a stage, and what its results depend on: tool, arguments, processes and the
        content of configs.
        """
        args = [self.expand(str(arg)) for arg in stage['args']]
        processes = self.gpus if stage['tool'] in DISTRIBUTED_TOOLS else 1
        configs = {
            arg: hashlib.sha256(Config.fromfile(arg).text.encode()).hexdigest()
            for arg in args
            if arg.endswith('.py') and Path(arg).is_file()
        }
        settings = dict(tool=stage['tool'], args=args, processes=processes, configs=configs)
        command = [sys.executable, str(self.tools / stage['tool']), *args]
        if processes > 1:
            command[1:1] = [
                '-m',
                'torch.distributed.run',
                '--standalone',
                f'--nproc_per_node={processes}',
            ]
            command += ['--launcher', 'pytorch']
        return command, settings

    def expand(self, text: str) -> str:
        """Replace placeholders; a stage that a number is asked of has run by then."""

        def value(match: Match[str]) -> str:
            name, checkpoint, key = match.groups()
            if name in RESERVED:
                return str(getattr(self, name))
            if name not in {stage['name'] for stage in self.stages}:
                raise ValueError(f'{self.name}: {match.group()} in {text!r} names no stage')
            folder = self.work_dir / name
            if checkpoint:
                find = last_checkpoint if checkpoint == 'checkpoint' else best_checkpoint
                return str(find(folder))
            if key:
                numbers = read_json(folder / 'metrics.json')
                if key not in numbers:
                    raise ValueError(f'{folder / "metrics.json"}: has no {key!r}')
                return str(numbers[key])
            return str(folder)

        return PLACEHOLDER.sub(value, text)

    def _run_stage(
        self,
        title: str,
        stage: dict[str, Any],
        command: list[str],
        settings: dict[str, Any],
        folder: Path,
        before: dict[str, Any],
    ) -> float:
        spent = before.get('seconds', 0.0)
        resume = (
            ['--resume']
            if stage['tool'] == 'train.py' and (folder / 'last_checkpoint').is_file()
            else []
        )
        folder.mkdir(parents=True, exist_ok=True)
        write_json(folder / 'stage.json', dict(status='running', settings=settings, seconds=spent))
        began = time.monotonic()
        last_lines: deque[str] = deque(maxlen=30)
        with (
            open(folder / 'stage.log', 'ab', buffering=0) as log,
            self.console.status(title) as status,
        ):
            process = subprocess.Popen(
                command + resume, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
            )
            try:
                for line in process.stdout or ():
                    log.write(line)
                    text = line.decode(errors='replace').strip()
                    if text:
                        last_lines.append(text)
                        status.update(
                            f'{title}  '
                            f'[dim]{_short(text, self.console.width - len(title) - 6)}[/dim]'
                        )
                code = process.wait()
            except BaseException:
                process.terminate()
                process.wait()
                raise
        seconds = spent + time.monotonic() - began
        if code:
            write_json(
                folder / 'stage.json', dict(status='failed', settings=settings, seconds=seconds)
            )
            self.console.print('\n'.join(last_lines), markup=False)
            raise StageFailed(
                f'stage {stage["name"]} failed with exit code {code}; log: {folder / "stage.log"}'
            )
        write_json(folder / 'stage.json', dict(status='done', settings=settings, seconds=seconds))
        self.console.print(f'{title}: done in {seconds:.0f} s', markup=False)
        return seconds

    @staticmethod
    def _read_state(folder: Path) -> dict[str, Any]:
        path = folder / 'stage.json'
        return json.loads(path.read_text()) if path.is_file() else {}


def last_checkpoint(folder: Path) -> Path:
    """Checkpoint that a training saved last.

    Raises:
        FileNotFoundError: There is none.
    """
    pointer = folder / 'last_checkpoint'
    if not pointer.is_file():
        raise FileNotFoundError(f'{pointer}: stage {folder.name} has saved no checkpoint')
    return Path(pointer.read_text().strip())


def best_checkpoint(folder: Path) -> Path:
    """Checkpoint that a validation found best (``best_<metric>_iter_<n>.pth``).

    Raises:
        FileNotFoundError: There is none.
        ValueError: There are several, of different metrics.
    """
    found: dict[str, tuple[int, Path]] = {}
    for path in folder.glob('best_*.pth'):
        match = re.fullmatch(r'(best_.+)_(?:epoch|iter)_(\d+)\.pth', path.name)
        if match:  # an interrupted run leaves the one before beside it
            found[match[1]] = max(found.get(match[1], (-1, path)), (int(match[2]), path))
    if not found:
        raise FileNotFoundError(
            f'{folder}/best_*.pth: stage {folder.name} has chosen no best checkpoint; its config '
            f'needs default_hooks.checkpoint.save_best'
        )
    if len(found) > 1:
        raise ValueError(f'{folder}: best checkpoints of several metrics: {", ".join(found)}')
    return next(iter(found.values()))[1]


def find_folders(config: str | Path) -> tuple[Path, Path]:
    """Folders of configs and tools: those the pipeline config lies in, else those of the
    package.
    """
    package = Path(mmwsss.__file__).parent
    around = [
        folder.parent for folder in Path(config).resolve().parents if folder.name == 'configs'
    ]
    root = next(
        root
        for root in (*around, package / '.mim', package.parent)
        if (root / 'tools').is_dir() or root == package.parent
    )
    return root / 'configs', root / 'tools'


def _short(text: str, width: int) -> str:
    text = (
        re.sub(r'^\d\d/\d\d \d\d:\d\d:\d\d - mmengine - \w+ - ', '', text)
        .split('\r')[-1]
        .replace('[', '\\[')
    )
    return text[: max(width, 20)]
