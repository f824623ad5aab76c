"""Records of the settings, inputs and outputs of finished stages, which stay valid when the folder
is moved.
"""

import secrets
import shutil
from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from mmengine.config import Config

from mmwsss.apis.pipeline_config import PLACEHOLDER, RESERVED
from mmwsss.utils.fingerprint import digest_settings, fingerprint
from mmwsss.utils.io import read_json, write_json

OWNER_FILE = 'pipeline.json'
REMOVED = '.removed-'
Settings = dict[str, Any]


class StageNotes:
    """Reads and writes ``<work_dir>/<stage>/stage.json``, and removes folders of stages.

    Args:
        work_dir (Path): Work directory of the pipeline.
        configs (Path): Folder of the configs; the checkout is its parent.
    """

    def __init__(self, work_dir: Path, configs: Path) -> None:
        self.work_dir, self.configs = work_dir, configs
        self._digests: dict[Path, str] = {}

    def settings(
        self,
        stage: Mapping[str, Any],
        processes: int,
        expand: Callable[[str], str],
    ) -> Settings:
        """Everything on which the results of a stage depend.

        Paths inside the work directory and the checkout are written relative to them, and files and
        folders that a stage reads are identified by their content, so that a finished stage stays
        valid after a move or a copy.

        Args:
            stage (Mapping): ``name``, ``tool`` and ``args``; all earlier stages have run.
            processes (int): Number of processes of the stage.
            expand (Callable): Function that replaces placeholders.
        """
        own = (self.work_dir / stage['name']).resolve()
        configs, numbers, inputs = {}, {}, {}
        for arg in map(str, stage['args']):
            for match in PLACEHOLDER.finditer(arg):
                if match[3]:
                    numbers[match.group()] = expand(match.group())
            path = Path(expand(arg).partition('=')[2] if '=' in arg else expand(arg))
            if path.suffix == '.py' and path.is_file():
                text = Config.fromfile(path, import_custom_modules=False).pretty_text
                configs[self._portable(arg)] = digest_settings(self._portable(text))
            elif ('/' in str(path)) and _exists(path) and self._is_input(path, own):
                inputs[self._portable(arg)] = self._digest(path)
        return dict(
            tool=stage['tool'],
            args=[self._portable(str(arg)) for arg in stage['args']],
            processes=processes,
            configs=configs,
            numbers=numbers,
            inputs=inputs,
        )

    def _portable(self, text: str) -> str:
        for path, name in ((self.work_dir, '{work_dir}'), (self.configs.parent, '{checkout}')):
            if path.resolve() != Path('/'):
                text = text.replace(str(path.resolve()), name)
        return text

    def _is_input(self, path: Path, own: Path) -> bool:
        """Whether a path is an input: neither an output of the stage nor a folder that contains
        one.
        """
        path = path.resolve()
        return not (path == own or own in path.parents or path in own.parents)

    def _digest(self, path: Path) -> str:
        """Cached fingerprint of each file or folder until :meth:`forget`."""
        path = path.resolve()
        if path not in self._digests:
            self._digests[path] = fingerprint(path)
        return self._digests[path]

    def forget(self, *, everything: bool = False) -> None:
        """Drop cached fingerprints of files that a stage may have written, in the work directory or
        anywhere.
        """
        root = self.work_dir.resolve()
        self._digests = {
            path: digest
            for path, digest in self._digests.items()
            if not (everything or path == root or root in path.parents)
        }

    def read(self, name: str) -> dict[str, Any]:
        """``status``, ``settings``, ``seconds`` and ``outputs`` of a stage; empty if it never ran.

        The status of damaged notes is ``'unknown'``.
        """
        path = self.work_dir / name / 'stage.json'
        if not path.is_file():
            return {}
        try:
            state = read_json(path)
        except (ValueError, OSError):
            state = None
        if not isinstance(state, dict) or not isinstance(state.get('seconds'), (int, float)):
            return dict(status='unknown', settings={}, seconds=0.0)
        return state

    def write(self, name: str, status: str, settings: Settings, seconds: float) -> None:
        """Record the state of a stage, including its outputs if it has finished."""
        folder = self.work_dir / name
        state = dict(status=status, settings=settings, seconds=seconds)
        if status == 'done':
            self.forget()
            state['outputs'] = self._digest(folder)
        write_json(folder / 'stage.json', state)

    def outputs_are_whole(self, name: str, state: Mapping[str, Any]) -> bool:
        """Whether a finished stage still has all of its outputs."""
        return state.get('outputs') == self._digest(self.work_dir / name)

    def own(self, name: str) -> None:
        """Record that the pipeline created the folder of a stage."""
        owned = self._owned()
        if name not in owned:
            write_json(self.work_dir / OWNER_FILE, dict(stages=[*owned, name]))

    def _owned(self) -> list[str]:
        path = self.work_dir / OWNER_FILE
        content = read_json(path) if path.is_file() else {}
        stages = content.get('stages', []) if isinstance(content, dict) else []
        return [name for name in stages if isinstance(name, str)]

    def remove(self, name: str) -> None:
        """Remove the folder of a stage; if the process is killed meanwhile, the folder is either
        complete or renamed.

        Raises:
            ValueError: The folder holds files that do not come from a pipeline.
        """
        folder = self.work_dir / name
        if not folder.exists():
            return
        known = ('stage.json', 'stage.log')
        owned = name in self._owned() or any((folder / file).is_file() for file in known)
        if any(folder.iterdir()) and not owned:
            raise ValueError(
                f'{folder}: holds files that do not come from a pipeline; choose another --work-dir'
            )
        folder.rename(self.work_dir / f'{REMOVED}{name}-{secrets.token_hex(4)}')
        self._digests.clear()
        self.finish_removals()

    def finish_removals(self) -> None:
        """Remove the remains of an interrupted removal."""
        for path in self.work_dir.glob(f'{REMOVED}*'):
            shutil.rmtree(path)


def changed_parts(before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    """Names of the differences between two settings, in terms of the user."""
    names = dict(
        tool='tool',
        args='arguments',
        processes='number of processes',
        configs='config',
        numbers='numbers of earlier stages',
        inputs='input files',
    )
    return ', '.join(text for key, text in names.items() if before.get(key) != after.get(key))


def needed_of(
    name: str, stages: Sequence[Mapping[str, Any]], results: Mapping[str, str]
) -> set[str]:
    """Placeholders of a stage that later stages use; ``metrics`` if results come from it."""
    found = {'metrics'} if name in results.values() else set()
    if name in RESERVED:
        return found
    for argument in chain.from_iterable(stage['args'] for stage in stages):
        for match in PLACEHOLDER.finditer(str(argument)):
            if match[1] == name and (match[2] or match[3]):
                found.add(match.group())
    return found


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # too long for a file name, or not a file name
        return False
