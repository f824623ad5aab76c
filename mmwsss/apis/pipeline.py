"""Execution of the stages of an experiment in order, each in a separate process, with continuation
of an interrupted run.
"""

import os
import re
import shlex
import subprocess
import sys
import time
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from re import Match
from typing import IO, Any

from rich.console import Console

import mmwsss
from mmwsss.apis.pipeline_config import PLACEHOLDER, RESERVED, read_pipeline
from mmwsss.apis.slurm import Slurm, check_slurm, uses_gpu
from mmwsss.apis.stage_state import Settings, StageNotes, changed_parts, needed_of
from mmwsss.apis.stages import Stage
from mmwsss.utils.checkpoint_files import newest_checkpoint
from mmwsss.utils.io import read_json
from mmwsss.utils.locks import FolderLock

# prefixes of results that a stage reports under another name
OWN_PREFIXES = dict(seed='cam', online='seg')
DISTRIBUTED_TOOLS = ('train.py', 'test.py', 'generate_cams.py')
# tools whose files do not depend on the number of processes
FILE_TOOLS = (
    'refine_cams.py',
    'make_affinity_labels.py',
    'evaluate_masks.py',
    'sweep_refinement.py',
)


class StageFailed(RuntimeError):
    """A stage ended with an error. The message names its log."""


class Pipeline:
    """Stages of an experiment.

    The config names a ``recipe`` or holds ``stages``, a list of ``dict(name=..., tool=...,
    args=[...])`` with a tool of ``tools/`` and its arguments. In arguments ``{configs}`` is the
    folder of the configs, ``{work_dir}`` the folder of the pipeline, ``{<stage>}`` that of a stage,
    ``{<stage>.checkpoint}`` the last checkpoint of a training stage, ``{<stage>.best_checkpoint}``
    the one that its validation selected, ``{<stage>:cam/best_threshold}`` a number of its
    ``metrics.json``, and any other name a value of the config after the overrides. ``results`` maps
    a metric prefix to the stage that provides its numbers.

    A stage is done when its process ended without an error, the files that later stages need from
    it are complete, and neither its arguments, its config nor the content of its input files has
    changed since: ``<work_dir>/<stage>/stage.json``. A stage with ``always=True`` runs every time
    (for tools that skip finished work themselves). An interrupted stage, or one whose files have
    been damaged since, is continued: training from its last complete checkpoint, tools from the
    existing files. A finished stage is only deleted on request.

    A work directory belongs to one job at a time and can be moved.

    Args:
        config (str | Path): Pipeline config.
        work_dir (str | Path, optional): Default: ``work_dir`` of the config.
        gpus (int): More than 1 runs training, testing, CAM generation and walks under ``torchrun``
            with this number of processes.
        cpu_processes (int): The same for labels, dense CRFs and evaluation. Each process already
            uses its share of the cores of its machine, so more than 1 is only useful on several
            machines.
        options (dict, optional): Overrides of the config.
        slurm (Slurm, optional): Run every stage as a step of Slurm with its own resources.

    Raises:
        FileNotFoundError: The config does not exist.
        ValueError: The stages are malformed.
    """

    def __init__(
        self,
        config: str | Path,
        *,
        work_dir: str | Path | None = None,
        gpus: int = 1,
        cpu_processes: int = 1,
        options: Mapping[str, Any] | None = None,
        slurm: Slurm | None = None,
    ) -> None:
        self.config, self.stages, self.results, self.report, self.values = read_pipeline(
            config, options
        )
        self.name = Path(config).stem
        self.work_dir = Path(
            work_dir or self.values.get('work_dir') or Path('work_dirs') / f'{self.name}_pipeline'
        )
        self.configs, self.tools = find_folders(config)
        self.gpus, self.cpu_processes = gpus, cpu_processes
        self.slurm = slurm
        if slurm is not None:
            check_slurm()
        for stage in self.stages:
            if not (self.tools / stage['tool']).is_file():
                raise ValueError(
                    f'{config}: stage {stage["name"]}: unknown tool: {self.tools / stage["tool"]}'
                )
        self.notes = StageNotes(self.work_dir, self.configs)
        self.console = Console(highlight=False)

    def run(
        self,
        *,
        start: str | None = None,
        until: str | None = None,
        dry_run: bool = False,
        redo_changed: bool = False,
    ) -> list[dict[str, Any]]:
        """Run all stages that are not done.

        Args:
            start (str, optional): Run this stage and all later ones again from scratch.
            until (str, optional): Run no stage after this one.
            dry_run (bool): Only print the commands that would run.
            redo_changed (bool): Delete finished stages that were made with other settings or
                inputs, and run them again.

        Returns:
            list[dict]: ``name``, ``status`` (``done`` or ``skipped``) and ``seconds`` of every
            stage.

        Raises:
            StageFailed: A stage failed.
            ValueError: ``start`` or ``until`` is not a stage, a finished stage was made with other
                settings, or another job holds the work directory.
        """
        names = [stage['name'] for stage in self.stages]
        for option, name in (('from', start), ('until', until)):
            if name is not None and name not in names:
                raise ValueError(
                    f'--{option} {name} is not a stage; the stages are {", ".join(names)}'
                )
        last = len(names) if until is None else names.index(until) + 1
        if dry_run:
            for number, stage in enumerate(self.stages, 1):
                command = shlex.join([stage['tool'], *map(str, stage['args'])])
                self.console.print(
                    f'{self._title(number)}: {command}',
                    soft_wrap=True,
                    markup=False,
                )
            return []
        with FolderLock(self.work_dir, 'run_pipeline.py'):
            self.notes.finish_removals()
            again = set(names[names.index(start) :]) if start is not None else set()
            self._refuse_changed([] if redo_changed else names, again)
            return [
                self._advance(number, stage, stage['name'] in again, redo_changed)
                for number, stage in enumerate(self.stages[:last], 1)
            ]

    def _title(self, number: int) -> str:
        return f'[{number}/{len(self.stages)}] {self.stages[number - 1]["name"]}'

    def _refuse_changed(self, names: list[str], again: set[str]) -> None:
        """Report every finished stage whose command or config has changed, before anything runs."""
        for stage in self.stages:
            state = self.notes.read(stage['name'])
            before = state.get('settings', {})
            if (
                stage['name'] not in names
                or stage['name'] in again
                or stage.get('always')
                or state.get('status') not in ('done', 'unknown')
            ):
                continue
            try:
                after = self._settings(stage)
            except (FileNotFoundError, ValueError):
                continue  # depends on the results of a stage that has to run first
            early = ('tool', 'args', 'processes', 'configs')
            if any(before.get(key) != after[key] for key in early):
                raise ValueError(self._changed_message(stage['name'], before, after))

    def _changed_message(self, name: str, before: dict, after: dict) -> str:
        return (
            f'{self.work_dir / name}: this finished stage was made with another '
            f'{changed_parts(before, after)}; --from {name} runs it and all later ones again, '
            f'--redo-changed runs it and whatever depends on it again, or choose another --work-dir'
        )

    def _advance(
        self, number: int, stage: dict[str, Any], again: bool, redo_changed: bool
    ) -> dict[str, Any]:
        """Run a stage unless it is done."""
        name, title = stage['name'], self._title(number)
        if again:
            self.notes.remove(name)
        settings = self._settings(stage)
        state = self.notes.read(name)
        finished = state.get('status') in ('done', 'unknown')
        unchanged = state.get('settings') == settings or (bool(state) and stage.get('always'))
        if unchanged and finished and not stage.get('always') and self._is_whole(stage, state):
            self.console.print(f'{title}: done before ({state["seconds"]:.0f} s)', markup=False)
            return dict(name=name, status='skipped', seconds=state['seconds'])
        if not unchanged:
            if finished and not redo_changed:
                raise ValueError(self._changed_message(name, state.get('settings', {}), settings))
            self.notes.remove(name)
            state = {}
        elif finished and not stage.get('always'):
            self.console.print(f'{title}: files are missing or damaged, runs again', markup=False)
        seconds = self._run_stage(title, stage, settings, state.get('seconds', 0.0))
        return dict(name=name, status='done', seconds=seconds)

    def _is_whole(self, stage: dict[str, Any], state: dict[str, Any]) -> bool:
        return self._missing(stage) is None and self.notes.outputs_are_whole(stage['name'], state)

    def _missing(self, stage: dict[str, Any]) -> str | None:
        """Missing outputs of a stage that later stages need; None if all exist."""
        name = stage['name']
        try:
            for need in needed_of(name, self.stages, self.results):
                if need != 'metrics':
                    self.expand(need)
                elif not isinstance(read_json(self.work_dir / name / 'metrics.json'), dict):
                    return f'{self.work_dir / name / "metrics.json"}: holds no metrics'
        except FileNotFoundError as error:
            return str(error) if error.errno is None else f'{error.filename}: not written'
        except ValueError as error:
            return str(error)
        return None

    def is_done(self, stage: Stage) -> bool:
        """Whether a stage has run to its end, regardless of later changes."""
        return self.notes.read(stage['name']).get('status') in ('done', 'unknown')

    def progress(self) -> list[dict[str, Any]]:
        """``name``, ``status`` and ``seconds`` of every stage: done, failed, running or to do."""
        found = []
        for stage in self.stages:
            state = self.notes.read(stage['name'])
            entry = dict(status=state.get('status', 'to do'), seconds=state.get('seconds', 0.0))
            found.append(dict(name=stage['name'], **entry))
        return found

    def metrics(self, *, partial: bool = False) -> dict[str, Any]:
        """Numbers of all stages named in ``results``: flat, with the protocol of each prefix.

        ``seed`` is the CAM sweep of the training images, which the stage reports as ``cam``.

        Args:
            partial (bool): Leave out stages without metrics.
        """
        merged: dict[str, Any] = {}
        protocol: dict[str, Any] = {}
        for prefix, stage in self.results.items():
            if partial and not (self.work_dir / stage / 'metrics.json').is_file():
                continue
            numbers = read_json(self.work_dir / stage / 'metrics.json')
            own = OWN_PREFIXES.get(prefix, prefix)
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

    def processes_of(self, stage: dict[str, Any]) -> int:
        """Number of processes that run a stage."""
        if stage['tool'] in DISTRIBUTED_TOOLS:
            return self.gpus
        if stage['tool'] in FILE_TOOLS:
            return self.gpus if uses_gpu(stage) else self.cpu_processes
        return 1

    def _settings(self, stage: dict[str, Any]) -> Settings:
        processes = 1 if stage['tool'] in FILE_TOOLS else self.processes_of(stage)
        return self.notes.settings(stage, processes, self.expand)

    def _command(self, stage: dict[str, Any]) -> list[str]:
        args = [self.expand(str(arg)) for arg in stage['args']]
        processes = self.processes_of(stage)
        command = [sys.executable, str(self.tools / stage['tool']), *args]
        if self.slurm is not None:
            command = [*self.slurm.words(stage, processes, self.name), *command]
            if stage['tool'] in DISTRIBUTED_TOOLS or processes > 1:
                command += ['--launcher', 'slurm']
        elif processes > 1:
            launch = ['-m', 'torch.distributed.run', '--standalone']
            command[1:1] = [*launch, f'--nproc_per_node={processes}']
            command += ['--launcher', 'pytorch']
        folder = self.work_dir / stage['name']
        if stage['tool'] == 'train.py' and (
            (folder / 'last_checkpoint').is_file() or any(folder.glob('*.pth'))
        ):
            command.append('--resume')
        return command

    def _environment(self) -> dict[str, str]:
        """Environment of a stage, in which modules of ``custom_imports`` are also found next to the
        pipeline config.
        """
        folder = str(Path(self.config.filename).resolve().parent)
        paths = [*filter(None, [os.environ.get('PYTHONPATH')]), folder]
        path = dict(PYTHONPATH=os.pathsep.join(paths)) if 'custom_imports' in self.config else {}
        return {**os.environ, **path}

    def expand(self, text: str) -> str:
        """Replace placeholders; stages whose numbers are used have run by then."""

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

    @staticmethod
    def _log(log: IO[bytes], line: bytes) -> None:
        """Add a line to the log of a stage; the error of a full disk names the log.

        Raises:
            OSError: The message names the file.
        """
        try:
            log.write(line)
        except OSError as error:
            raise OSError(
                error.errno,
                f'{log.name}: cannot be written, {os.strerror(error.errno or 0).lower()}; '
                f'free some space and run the same command again',
            ) from error

    def _run_stage(
        self, title: str, stage: dict[str, Any], settings: Settings, spent: float
    ) -> float:
        """Run the process of a stage and return the total seconds of all attempts."""
        name, folder = stage['name'], self.work_dir / stage['name']
        command = self._command(stage)
        if folder.exists() and not (folder / 'stage.json').is_file():
            self.notes.remove(name)  # partly removed by an earlier run; foreign files are an error
        self.notes.own(name)
        folder.mkdir(parents=True, exist_ok=True)
        self.notes.write(name, 'running', settings, spent)
        self.notes.forget(everything=bool(stage.get('always')))
        began = time.monotonic()
        last_lines: deque[str] = deque(maxlen=30)
        with (
            open(folder / 'stage.log', 'ab', buffering=0) as log,
            self.console.status(title) as status,
        ):
            process = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=self._environment()
            )
            try:
                for line in process.stdout or ():
                    self._log(log, line)
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
        problem = f'failed with exit code {code}' if code else None
        missing = None if code else self._missing(stage)
        if missing is not None:
            problem = f'ended without an error but is not complete: {missing}'
        if problem is not None:
            self.notes.write(name, 'failed', settings, seconds)
            self.console.print('\n'.join(last_lines), markup=False)
            raise StageFailed(f'stage {name} {problem}; log: {folder / "stage.log"}')
        self.notes.write(name, 'done', settings, seconds)
        self.console.print(f'{title}: done in {seconds:.0f} s', markup=False)
        return seconds


def last_checkpoint(folder: Path) -> Path:
    """The newest complete checkpoint of a training run.

    Raises:
        FileNotFoundError: The stage has saved no checkpoint.
    """
    path, _ = newest_checkpoint(folder)
    if path is None:
        raise FileNotFoundError(f'{folder}: stage {folder.name} has saved no whole checkpoint')
    return Path(path)


def best_checkpoint(folder: Path) -> Path:
    """Checkpoint with the best validation result (``best_<metric>_iter_<n>.pth``).

    Raises:
        FileNotFoundError: The stage has saved no checkpoint.
        ValueError: There are several checkpoints for different metrics.
    """
    found: dict[str, tuple[int, Path]] = {}
    for path in folder.glob('best_*.pth'):
        match = re.fullmatch(r'(best_.+)_(?:epoch|iter)_(\d+)\.pth', path.name)
        if match:  # an interrupted run keeps the previous one next to it
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
    """Folders of configs and tools: those that contain the pipeline config, otherwise those of the
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
