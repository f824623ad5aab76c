"""Error handling of all command line tools: one clear line and a non-zero exit code instead of a
traceback.
"""

import os
import re
import socket
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

from mmwsss.utils.limits import FULL_DISK

MOST_IMAGES = 4


def run_main(main: Callable[[], int | None]) -> int:
    """Run ``main()`` and turn an error that the user can fix into one line on stderr.

    ``ValueError`` and ``OSError`` (missing or unreadable files among them) are such errors; any
    other exception is a defect and keeps its traceback. The line of a ``ValueError`` raised by a
    library ends with its location. ``MMWSSS_DEBUG=1`` shows the traceback in every case.

    With several processes, each one that fails writes one line with its rank, its host and the
    images of its current batch, before any traceback, including that of the launcher; a process
    that timed out waiting for another one reports this.

    Args:
        main (Callable): Function without arguments that returns None or an exit code.

    Returns:
        int: 0, the code of ``main``, 1 after an error, 130 after Ctrl-C. Pass it to
            :func:`sys.exit`.
    """
    try:
        return main() or 0
    except KeyboardInterrupt:
        if os.environ.get('MMWSSS_DEBUG') == '1':
            raise
        sys.stderr.write('interrupted\n')
        return 130
    except (ValueError, OSError) as error:
        if os.environ.get('MMWSSS_DEBUG') == '1':
            raise
        message = _full_disk(error) or _without_worker_trace(str(error)) or type(error).__name__
        place = _foreign_place(error, main)
        sys.stderr.write(f'error: {_process()}{message}{_images(error, message)}{place}\n')
        sys.stderr.flush()
        return 1
    except Exception as error:
        if isinstance(error, RuntimeError) and str(error).startswith('Symlink loop'):
            sys.stderr.write(f'error: {_process()}{error}: a link that leads to itself\n')
            return 1
        if num_processes() > 1:
            message = f'{type(error).__name__}: {_without_worker_trace(str(error))}'
            line = f'error: {_process()}{message}{_images(error, message)}{_advice(message)}\n'
            sys.stderr.write(line)
            sys.stderr.flush()
        raise


def _full_disk(error: BaseException) -> str:
    """Remedy for a full disk if a library encountered it; empty for other errors and for those of
    mmwsss, which include it.
    """
    if not isinstance(error, OSError) or error.errno not in FULL_DISK or 'free some' in str(error):
        return ''
    file = error.filename or 'a file of this run'
    reason = os.strerror(error.errno or 0).lower()
    return f'{file}: cannot be written, {reason}; free some space and run the same command again'


def num_processes() -> int:
    """Number of processes that a launcher such as torchrun has started; 1 without one."""
    return int(size) if (size := os.environ.get('WORLD_SIZE', '1')).isdigit() else 1


def _process() -> str:
    """``rank 1 of 4 on node7: `` for one of several processes, otherwise an empty text."""
    if num_processes() == 1:
        return ''
    rank = os.environ.get('RANK', '?')
    return f'rank {rank} of {num_processes()} on {socket.gethostname()}: '


def _without_worker_trace(text: str) -> str:
    """One line for an error; for an error in a data-loading process, which arrives as a traceback,
    its last line.
    """
    if text.startswith('Caught ') and 'Original Traceback' in text:
        last = [line for line in text.splitlines() if re.match(r'[\w.]+(Error|Exception): ', line)]
        if last:
            kept = text[text.rindex(last[-1]) :]
            return ' '.join(kept.partition(': ')[2].splitlines())
    return ' '.join(text.splitlines())


def _images(error: BaseException, message: str) -> str:
    """The images of the current batch that a message does not name."""
    images = [str(name) for name in getattr(error, 'images', None) or []]
    # another process may have failed on its own images
    if not images or num_processes() == 1 or any(name in message for name in images):
        return ''
    more = f' and {len(images) - MOST_IMAGES} more' if len(images) > MOST_IMAGES else ''
    return f' (last batch: {", ".join(images[:MOST_IMAGES])}{more})'


def _advice(message: str) -> str:
    """Remedy for an error in the exchange between processes."""
    if re.search(r'timed? ?-?out', message, re.IGNORECASE):
        return (
            '; another process did not answer in time: look for its own line, or allow more '
            'seconds with --cfg-options env_cfg.dist_cfg.timeout=7200'
        )
    if re.search(r'closed by peer|reset by peer|broken pipe', message, re.IGNORECASE):
        return '; another process of this job has ended: its own line, if any, says why'
    return ''


def _foreign_place(error: BaseException, main: Callable[[], int | None]) -> str:
    """Location where a library raised a ValueError, whose text does not name an input."""
    if not isinstance(error, ValueError) or isinstance(error, OSError):
        return ''
    frames = list(traceback.walk_tb(error.__traceback__))
    frame, line = frames[-1]
    path = Path(frame.f_code.co_filename)
    own = frame.f_globals.get('__name__', '').partition('.')[0] == __name__.partition('.')[0]
    if own or frame.f_code.co_filename == main.__code__.co_filename:
        return ''
    place = '/'.join(path.parts[-2:])
    return f' (in {place}:{line}, {frame.f_code.co_name}; MMWSSS_DEBUG=1 shows the traceback)'
