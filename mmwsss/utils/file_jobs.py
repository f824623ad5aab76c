"""One file per image, written by several processes of one or several hosts; a rerun continues."""

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
    """Write the files that are not there yet, each process a part of them.

    Args:
        make_worker: Gives the function that writes the file of an entry; called where there is
            something to do.
        entries: Of each image its id and the files that its result is made from.
        folder: Of the results, held by this job.
        suffix: Of the results, ``<folder>/<id><suffix>``.
        settings: What the results depend on, see
            :func:`~mmwsss.utils.output_folder.claim_output_folder`.
        processes: Of the job.
        workers: Worker processes of each; 0: none; None: as many as its cores.
        title: Of the progress bar.
        run: Works through the entries in this process, instead of worker processes: takes the
            function of ``make_worker`` and the entries, yields once per file.

    Returns:
        How many files were there.

    Raises:
        ValueError: The folder belongs to something else; from the first process alone.
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

    # one decision for all: the first process would see what others have already written
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
