"""A map over worker processes with ordered results, bounded memory and recovery from dead
workers.
"""

import multiprocessing
import os
import pickle
import queue
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any


def available_cores() -> int:
    """Number of cores that this process may use: fewer than the machine has under Slurm or in a
    container.
    """
    if hasattr(os, 'sched_getaffinity'):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def bounded_map(
    function: Callable[..., Any],
    jobs: Iterable[Any],
    workers: int = 0,
    *,
    max_in_flight: int | None = None,
    name: Callable[[Any], str] | None = None,
    threads_per_worker: int = 1,
    start_method: str | None = None,
) -> Iterator[Any]:
    """Yield ``function(job)`` for every job, in the order of the jobs.

    Jobs are taken from the iterable only as results are consumed: at most ``max_in_flight`` of them
    are queued, running or finished but not yet yielded, so that a fast producer cannot fill the
    memory. Workers keep running while the consumer is busy. A worker that dies (out of memory,
    killed, crash in a library) is replaced and its job is retried once. Closing the generator early
    ends the workers.

    Args:
        function (callable): Importable by its name (no lambda) unless ``workers`` is 0; so must be
            all parts of jobs and results.
        jobs (iterable): Jobs, possibly infinite.
        workers (int): Processes; 0 runs everything inline.
        max_in_flight (int, optional): Default ``2 * workers``.
        name (callable, optional): Job -> text for error messages; default ``repr``.
        threads_per_worker (int): PyTorch threads of each process.
        start_method (str, optional): ``'forkserver'`` (default where it is available: modules are
            imported once, memory is shared) or ``'spawn'``. Unlike ``'fork'``, both are safe with
            CUDA and threads.

    Yields:
        Results.

    Raises:
        RuntimeError: A worker died twice on the same job. The message names the job and the exit
            code.
        Exception: The exception of ``function``, with the worker's traceback as its cause.
    """
    if workers < 0:
        raise ValueError(f'workers must not be negative, got {workers}')
    if workers == 0:
        return (function(job) for job in jobs)
    limit = 2 * workers if max_in_flight is None else max_in_flight
    if limit < 1:
        raise ValueError(f'max_in_flight must be positive, got {max_in_flight}')
    if start_method is None:
        start_method = (
            'forkserver' if 'forkserver' in multiprocessing.get_all_start_methods() else 'spawn'
        )
    if start_method == 'fork':
        raise ValueError(
            "start_method 'fork' may hang in the presence of threads, use 'forkserver' or 'spawn'"
        )
    context = multiprocessing.get_context(start_method)
    if start_method == 'forkserver':
        # the server imports PyTorch and the code of the function once, for all workers
        context.set_forkserver_preload([__name__, *_module_of(function)])
    return _ordered_results(
        _Pool(context, function, workers, name or _short_repr, threads_per_worker), jobs, limit
    )


def forked_map(
    function: Callable[..., Any], jobs: Sequence[Any], workers: int, *, chunk: int = 1
) -> Iterator[Any]:
    """Yield ``function(job)`` for many short jobs, in their order.

    Where :func:`bounded_map` starts fresh processes, which import PyTorch first, these are copies
    of this process and ready immediately. They are therefore only suitable for tools without CUDA
    and threads, and start before the first result is requested, since a progress bar around the
    results has a thread.

    Args:
        function (callable): Function importable by its name, or a partial of one.
        jobs (sequence): Jobs, which are all queued at once.
        workers (int): Number of processes; below 2 everything runs inline, as does a single chunk.
        chunk (int): Number of jobs that are sent to a process together.

    Yields:
        Results.

    Raises:
        OSError: A worker process was killed.
        Exception: The exception of ``function``, or it cannot be passed to a process.
    """
    chunks = -(-len(jobs) // chunk)
    if workers < 2 or chunks < 2:
        return map(function, jobs)
    pickle.dumps(function)  # a failure inside the pool would make Python 3.11 hang at exit
    context = multiprocessing.get_context('fork' if sys.platform == 'linux' else None)
    # the parent handles Ctrl-C
    ignore = (signal.SIGINT, signal.SIG_IGN)
    pool = ProcessPoolExecutor(min(workers, chunks), context, signal.signal, ignore)
    return _pool_results(pool, pool.map(function, jobs, chunksize=chunk))


def _pool_results(pool: ProcessPoolExecutor, results: Iterator[Any]) -> Iterator[Any]:
    try:
        yield from results
    except BrokenProcessPool as error:
        raise OSError('a worker process was killed (out of memory?); use fewer workers') from error
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _ordered_results(pool: '_Pool', jobs: Iterable[Any], limit: int) -> Iterator[Any]:
    jobs, exhausted, submitted = iter(jobs), False, 0
    finished: dict[int, tuple[Any, Exception | None]] = {}
    try:
        position = 0
        while True:
            while not exhausted and submitted - position < limit:
                try:
                    pool.tasks.put((submitted, next(jobs)))
                    submitted += 1
                except StopIteration:
                    exhausted = True
            if position == submitted:
                return
            pool.start(submitted)
            while position not in finished:
                index, result, error = pool.results.get()
                finished[index] = (result, error)
            result, error = finished.pop(position)
            position += 1
            if error is not None:
                raise error
            yield result
    finally:
        pool.close()


class _Pool:
    """One thread per worker process, which sends a job, waits for the result, and replaces the
    process if it dies.
    """

    def __init__(
        self,
        context: Any,
        function: Callable[[Any], Any],
        workers: int,
        name: Callable[[Any], str],
        threads_per_worker: int,
    ) -> None:
        self.context, self.function = context, function
        self.workers, self.threads_per_worker, self.name = workers, threads_per_worker, name
        self.tasks: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self.results: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self.stopped = threading.Event()
        self.threads: list[threading.Thread] = []
        self.processes: dict[int, tuple[BaseProcess, Connection]] = {}

    def start(self, submitted: int) -> None:
        """Start threads as jobs come in: fewer jobs than workers start fewer processes."""
        while len(self.threads) < min(self.workers, submitted):
            thread = threading.Thread(target=self._serve, args=(len(self.threads),), daemon=True)
            self.threads.append(thread)
            thread.start()

    def close(self) -> None:
        """End all workers immediately."""
        self.stopped.set()
        for _ in self.threads:
            self.tasks.put(None)
        for process, _ in list(self.processes.values()):
            process.terminate()
        for thread in self.threads:
            thread.join()

    def _serve(self, slot: int) -> None:
        while (task := self.tasks.get()) is not None and not self.stopped.is_set():
            index, job = task
            result: Any = None
            error: Exception | None = None
            try:
                result, error = self._run(slot, job)
            except Exception as failure:  # noqa: BLE001  raised again in the consumer
                failure.__cause__ = RuntimeError(
                    f'job {self.name(job)} could not be passed to or from a worker process'
                )
                error = failure
            self.results.put((index, result, error))
        self._end(slot)

    def _run(self, slot: int, job: Any) -> tuple[Any, Exception | None]:
        """(result, error) of one job; a job is retried once if its worker dies."""
        exit_code = None
        for _ in range(2):
            process, connection = self.processes.get(slot) or self._begin(slot)
            with suppress(EOFError, ConnectionError):  # it died before or while responding
                connection.send((job,))
                wait([connection, process.sentinel])
                if connection.poll():
                    result, error, trace = connection.recv()
                    if error is not None:
                        error.__cause__ = RuntimeError(
                            f'job {self.name(job)} failed in a worker process:\n{trace}'
                        )
                    return result, error
            exit_code = self._end(slot)
            if self.stopped.is_set():
                break
        hint = ''
        if exit_code == -signal.SIGKILL:
            hint = ' (killed, probably out of memory: use fewer workers)'
        return None, RuntimeError(
            f'job {self.name(job)}: its worker process died twice, exit code {exit_code}{hint}'
        )

    def _begin(self, slot: int) -> tuple[BaseProcess, Connection]:
        connection, remote = self.context.Pipe()
        process = self.context.Process(
            target=_work, args=(remote, self.function, self.threads_per_worker), daemon=True
        )
        process.start()
        remote.close()
        self.processes[slot] = process, connection
        if self.stopped.is_set():
            process.terminate()
        return self.processes[slot]

    def _end(self, slot: int) -> int | None:
        """End an idle worker; returns the exit code of the process, if there was one."""
        if slot not in self.processes:
            return None
        process, connection = self.processes.pop(slot)
        with suppress(ConnectionError):
            connection.send(None)
        connection.close()
        process.join()
        return process.exitcode


def _work(connection: Connection, function: Callable[[Any], Any], threads: int) -> None:
    import torch

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent handles Ctrl-C
    torch.set_num_threads(threads)
    with suppress(EOFError, ConnectionError):  # the parent has ended
        while (message := connection.recv()) is not None:
            answer: tuple[Any, Exception | None, str | None]
            try:
                answer = function(*message), None, None
            except Exception as error:  # noqa: BLE001  raised again in the consumer
                answer = None, error, traceback.format_exc()
            try:
                connection.send(answer)
            except ConnectionError:
                raise
            except Exception as failure:  # noqa: BLE001  it cannot be pickled
                text = (
                    f'{answer[0] or answer[1]!r:.200} cannot be passed between processes '
                    f'({type(failure).__name__}: {failure})'
                )
                connection.send((None, RuntimeError(text), answer[2] or ''))


def _module_of(function: Any) -> list[str]:
    """Name of the module that defines a function, a partial or a callable object."""
    function = getattr(function, 'func', function)
    name = getattr(function, '__module__', None)
    return [] if name in (None, '__main__') else [name]


def _short_repr(job: Any) -> str:
    text = repr(job)
    return text if len(text) <= 200 else f'{text[:197]}...'
