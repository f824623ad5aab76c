"""Writing one file per image by several processes on one or several hosts, with continuation in a
rerun.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from .fingerprint import fingerprint
from .names import output_path
from .output_folder import claim_output_folder, is_finished
from .pool import bounded_map
from .processes import Processes

Entry = tuple[Any, ...]
Run = Callable[[Any, Sequence[Entry]], Iterator[Any]]


def write_files(
    make_worker: Callable[[], Callable[[Entry], Any]],
    entries: Sequence[Entry],
    folder: Path,
    *,
    suffix: str,
    settings: Mapping[str, Any],
    processes: Processes,
    workers: int | None,
    title: str,
    run: Run | None = None,
) -> int:
    """Write all missing files, divided among the processes.

    Args:
        make_worker: Factory of the function that writes the file of an entry; only called if there
            is work.
        entries: Id of each image, and the files from which its result is computed.
        folder: Folder of the results, locked by this job.
        suffix: Suffix of the results, ``<folder>/<id><suffix>``.
        settings: Settings that determine the results, see
            :func:`~mmwsss.utils.output_folder.claim_output_folder`.
        processes: Processes of the job.
        workers: Number of worker processes of each process; 0: none; None: one per core.
        title: Title of the progress bar.
        run: Function that processes the entries in this process instead of worker processes: it
            takes the function of ``make_worker`` and the entries, and yields once per file.

    Returns:
        Number of files that already existed.

    Raises:
        ValueError: The folder belongs to another job; raised by the first process only.
    """
    from rich.progress import track

    def unfinished() -> list[int]:
        claim_output_folder(
            folder,
            settings,
            inputs={name: ' '.join(map(fingerprint, files)) for name, *files in entries},
            output=lambda name: output_path(folder, name, suffix),
        )
        return [
            index
            for index, (name, *_) in enumerate(entries)
            if not is_finished(output_path(folder, name, suffix))
        ]

    # decided once for all processes, since the first one could otherwise see files that others have
    # already written
    pending = processes.from_first(unfinished)
    jobs = [entries[index] for index in processes.share(pending)]
    if jobs:
        workers = processes.cores if workers is None else workers
        results = (
            run(make_worker(), jobs)
            if run is not None
            else bounded_map(
                make_worker(), jobs, workers if len(jobs) > 1 else 0, name=lambda entry: entry[0]
            )
        )
        for _ in track(results, total=len(jobs), description=title, disable=not processes.is_first):
            pass
    processes.wait()
    return len(entries) - len(pending)
