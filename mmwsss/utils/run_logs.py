"""Removal of the logs of runs that never started."""

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from mmwsss.utils.locks import process_rank

RUN_FOLDER = re.compile(r'\d{8}_\d{6}')  # MMEngine names it after the start of the run


@contextmanager
def logs_of_begun_runs(folder: str | Path) -> Iterator[None]:
    """Remove the log that MMEngine opens immediately if an invalid input ends the run before its
    first batch, so that a rejected command leaves nothing behind.

    Only for the process that holds the folder (:class:`mmwsss.utils.locks.FolderLock`).

    Args:
        folder: Work directory; removed too if it did not exist before and is empty.
    """
    folder = Path(folder)
    existed, before = folder.exists(), set(_logs(folder))
    try:
        yield
    except (ValueError, OSError) as error:
        if process_rank() == 0 and not getattr(error, 'has_begun', False):
            for path in set(_logs(folder)) - before:
                shutil.rmtree(path, ignore_errors=True)
            with suppress(OSError):
                if not existed:
                    folder.rmdir()
        raise


def _logs(folder: Path) -> list[Path]:
    entries = folder.iterdir() if folder.is_dir() else ()
    return [path for path in entries if RUN_FOLDER.fullmatch(path.name) and path.is_dir()]
