"""Lock for one job per folder, which also works on shared file systems and expires with its job."""

import json
import os
import secrets
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import datetime
from pathlib import Path
from types import TracebackType

from mmwsss.utils.io import remove_leftovers

LOCK_NAME = '.lock'
LEASE_S = 600.0
HEARTBEAT_S = 30.0
RANK_VARIABLES = ('RANK', 'SLURM_PROCID', 'OMPI_COMM_WORLD_RANK', 'PMI_RANK')


class FolderLock:
    """Context manager that locks a folder for one job.

    Unfinished files of a killed job in the folder itself are removed. The lock is a file ``.lock``
    with host, process, start of the process and tool; it is created with a hard link, which is
    atomic on NFS too, and does not rely on ``flock``. The holder renews its time every half minute.
    A lock is taken over, with a message, if its process has ended (same host), or if it has not
    been renewed for ten minutes (another host or container). A job that lost its lock in this way,
    because it was suspended, is interrupted.

    Args:
        folder (str | Path): Folder, which is created if needed and removed again if it stays empty.
        tool (str): Name of the job in messages of other jobs.
        lease (float): Seconds without renewal after which the lock of another host is invalid.
        heartbeat (float): Seconds between renewals.

    Raises:
        ValueError: Another job holds the folder. The message names it in one line.
    """

    def __init__(
        self,
        folder: str | Path,
        tool: str,
        *,
        lease: float = LEASE_S,
        heartbeat: float = HEARTBEAT_S,
    ) -> None:
        self.folder, self.tool = Path(folder), tool
        self.path = self.folder / LOCK_NAME
        self.guard = self.folder / f'{LOCK_NAME}-takeover'
        self.lease, self.heartbeat = lease, heartbeat
        self.token = secrets.token_hex(8)
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None
        self._made: list[Path] = []

    def __enter__(self) -> 'FolderLock':
        self._make_folder()
        try:
            for _ in range(20):
                if self._create(self.path):
                    break
                self._take_over()
            else:
                raise ValueError(
                    f'{self.path}: cannot be locked, other jobs keep taking it; try again'
                )
        except BaseException:
            self._remove_folders()
            raise
        self._clean()
        self._thread = threading.Thread(target=self._renew, daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stopped.set()
        if self._thread is not None:
            self._thread.join()
        if self._is_mine():
            self.path.unlink(missing_ok=True)
        self._remove_folders()

    def _clean(self) -> None:
        """Remove files of killed jobs; temporary lock files only if no running job can own them."""
        remove_leftovers(self.folder, below=False)
        now = self._file_time()
        for draft in self.folder.glob(f'{LOCK_NAME}-*'):
            with suppress(FileNotFoundError):
                if now - draft.stat().st_mtime > self.lease:
                    draft.unlink()

    def _make_folder(self) -> None:
        if self.folder.exists() and not self.folder.is_dir():
            raise ValueError(f'{self.folder}: is a file, expected a folder to write into')
        missing = [folder for folder in (self.folder, *self.folder.parents) if not folder.exists()]
        self.folder.mkdir(parents=True, exist_ok=True)
        self._made = missing

    def _remove_folders(self) -> None:
        """Remove the empty folder of a job that failed before it wrote anything."""
        with suppress(OSError):
            for folder in self._made:
                folder.rmdir()

    def _create(self, path: Path) -> bool:
        """Create the lock file or the guard; False if it exists."""
        content = json.dumps(dict(describe_process(), tool=self.tool, token=self.token))
        draft = self.folder / f'{LOCK_NAME}-{self.token}'
        try:
            with open(draft, 'x', encoding='utf-8') as file:
                file.write(content)
            try:
                os.link(draft, path)
            except FileExistsError:
                return False
            except OSError:  # a file system without hard links: the best available alternative
                try:
                    with open(path, 'x', encoding='utf-8') as file:
                        file.write(content)
                except FileExistsError:
                    return False
            return True
        finally:
            draft.unlink(missing_ok=True)

    def _take_over(self) -> None:
        """Remove an invalid lock, under a guard: of several jobs that find it, only one does.

        Raises:
            ValueError: The lock is valid.
        """
        try:
            text = self.path.read_text(encoding='utf-8')
            age = self._file_time() - self.path.stat().st_mtime
        except FileNotFoundError:
            return  # it has just been released
        holder = _parse(text)
        reason = void_reason(holder, age, self.lease)
        if reason is None:
            raise ValueError(
                f'{self.folder}: in use by {_name(holder)}; wait for it, stop it, or choose '
                f'another folder'
            )
        if not self._create(self.guard):
            self._remove_void_guard()
            time.sleep(0.05)
            return
        try:
            # others cannot replace it meanwhile: they need the guard, or that there is no lock
            if self.path.read_text(encoding='utf-8') != text:
                return
            self.path.unlink()
        except FileNotFoundError:
            return
        finally:
            self.guard.unlink(missing_ok=True)
        sys.stderr.write(f'{self.folder}: took over the lock of {_name(holder)}, which {reason}\n')

    def _remove_void_guard(self) -> None:
        """Remove the guard of a job that was killed while it took a lock over."""
        with suppress(FileNotFoundError):
            holder = _parse(self.guard.read_text(encoding='utf-8'))
            age = self._file_time() - self.guard.stat().st_mtime
            if void_reason(holder, age, self.lease) is not None:
                self.guard.unlink()

    def _file_time(self) -> float:
        """Current time of the file system, because the clocks of two hosts may differ."""
        probe = self.folder / f'{LOCK_NAME}-{self.token}'
        try:
            probe.touch()
            return probe.stat().st_mtime
        finally:
            probe.unlink(missing_ok=True)

    def _is_mine(self) -> bool:
        with suppress(OSError):
            return _parse(self.path.read_text(encoding='utf-8')).get('token') == self.token
        return False

    def _renew(self) -> None:
        while not self._stopped.wait(self.heartbeat):
            try:
                if self._is_mine():
                    os.utime(self.path)
                    continue
                missing = not self.path.exists()
            except OSError:
                continue  # a network file system that is temporarily unavailable
            if missing:
                self._create(self.path)  # the lock was deleted: create it again
            elif not self._is_mine():
                sys.stderr.write(
                    f'{self.folder}: this job was silent for too long and another one took the '
                    f'folder over; stopping\n'
                )
                sys.stderr.flush()
                # a signal to the main thread also ends its waiting
                signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
                return


@contextmanager
def lock_folders(*folders: str | Path | None, tool: str) -> Iterator[None]:
    """Lock several folders for one job; with several processes the first one does this for all.

    Args:
        folders (str | Path | None): Folders; None and repetitions are ignored.
        tool (str): Name of the job in messages of other jobs.

    Raises:
        ValueError: Another job holds one of them.
    """
    distinct = {Path(folder).resolve(): folder for folder in folders if folder is not None}
    with ExitStack() as stack:
        if process_rank() == 0:
            for _, folder in sorted(distinct.items()):
                stack.enter_context(FolderLock(folder, tool))
        yield


def process_rank() -> int:
    """Rank of this process among those that a launcher started; 0 for a single one."""
    for name in RANK_VARIABLES:
        if os.environ.get(name, '').isdigit() and _several():
            return int(os.environ[name])
    return 0


def _several() -> bool:
    names = ('WORLD_SIZE', 'SLURM_NTASKS', 'OMPI_COMM_WORLD_SIZE', 'PMI_SIZE')
    return any(os.environ.get(name, '').isdigit() and int(os.environ[name]) > 1 for name in names)


def describe_process() -> dict[str, str | int]:
    """Host, process and start of this process, which distinguish it from a later one with the same
    number.
    """
    return dict(
        host=socket.gethostname(),
        pid=os.getpid(),
        started=datetime.now().astimezone().isoformat(timespec='seconds'),
        start=process_start(os.getpid()) or '',
        space=_pid_space(),
    )


def process_start(pid: int) -> str | None:
    """Boot and clock tick at which a process of this host started; None if it has ended.

    If the system does not report it, any running process with that number has the start ``'?'``.
    """
    try:
        fields = Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2].split()
        if fields[0] in 'ZX':
            return None
        return f'{Path("/proc/sys/kernel/random/boot_id").read_text().strip()} {fields[19]}'
    except (OSError, IndexError):
        if Path('/proc/self/stat').exists():
            return None
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except OSError:
        return '?'
    return '?'


def _pid_space() -> str:
    """Identifier of the process namespace, because containers with the same host name may number
    their processes separately.
    """
    try:
        return os.readlink('/proc/self/ns/pid')
    except OSError:
        return ''


def void_reason(holder: dict, age: float, lease: float) -> str | None:
    """Reason why a lock is no longer valid; None if it is.

    Args:
        holder (dict): Content of the lock file.
        age (float): Seconds since its last renewal.
        lease (float): Seconds for which a lock stays valid if the process cannot be looked up.
    """
    here = holder.get('host') == socket.gethostname() and holder.get('space') == _pid_space()
    pid = holder.get('pid')
    if here and isinstance(pid, int):
        return None if process_start(pid) == holder.get('start') else 'is no longer running'
    if age > lease:
        return f'gave no sign of life for {age:.0f} s'
    return None


def _parse(text: str) -> dict:
    try:
        holder = json.loads(text)
    except ValueError:
        return {}
    return holder if isinstance(holder, dict) else {}


def _name(holder: dict) -> str:
    if not holder:
        return 'a job whose lock file is not readable'
    return (
        f'{holder.get("tool")} on host {holder.get("host")}, process {holder.get("pid")}, '
        f'since {holder.get("started")}'
    )
