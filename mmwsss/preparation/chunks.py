"""Application of a function to many files in chunks, by worker processes and with a progress
bar.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from rich.console import Console
from rich.progress import track

from mmwsss.utils.pool import bounded_map

CHUNK = 32


def map_chunks(
    function: Callable[[Sequence[Any]], Any], jobs: Sequence[Any], workers: int, title: str
) -> Iterator[Any]:
    """Yield the result of each chunk of jobs, in order.

    Args:
        function (callable): Function of a list of jobs, importable by its name.
        jobs (Sequence): One job per file.
        workers (int): Largest number of processes; a small number of jobs runs in this process.
        title (str): Title of the progress bar.
    """
    chunks = [jobs[start : start + CHUNK] for start in range(0, len(jobs), CHUNK)]
    workers = min(workers, len(chunks)) if len(chunks) > 2 else 0
    yield from track(
        bounded_map(function, chunks, workers),
        title,
        len(chunks),
        console=Console(stderr=True),
        disable=not chunks,
    )
