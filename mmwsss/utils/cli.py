"""What all command line tools share: one clear line and a non-zero exit code instead of a
traceback.
"""

import os
import sys


def run_main(main):
    """Run ``main()`` and turn an error that the user can mend into one line on stderr.

    ``ValueError`` and ``OSError`` (missing or unreadable files among them) are such errors; any
    other exception is a defect and keeps its traceback. ``MMWSSS_DEBUG=1`` shows the traceback in
    every case.

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
        sys.stderr.write(f'error: {message}\n')
        return 1
