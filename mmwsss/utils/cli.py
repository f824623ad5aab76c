"""Error handling of all command line tools: one clear line and a non-zero exit code instead of a
traceback.
"""

import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path


def run_main(main: Callable[[], int | None]) -> int:
    """Run ``main()`` and turn an error that the user can fix into one line on stderr.

    ``ValueError`` and ``OSError`` (missing or unreadable files among them) are such errors; any
    other exception is a defect and keeps its traceback. The line of a ``ValueError`` that a library
    raised ends with its place. ``MMWSSS_DEBUG=1`` shows the traceback in every case.

    Args:
        main (Callable): Takes nothing; returns None or an exit code.

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
        message = ' '.join(str(error).splitlines()) or type(error).__name__
        sys.stderr.write(f'error: {message}{_foreign_place(error, main)}\n')
        return 1


def _foreign_place(error: BaseException, main: Callable[[], int | None]) -> str:
    """Where a library raised a ValueError, whose text alone says nothing of a user's input."""
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
