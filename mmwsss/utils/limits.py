"""Limits for reading files, so that a small file cannot exhaust the memory.

Every limit is an environment variable, which worker processes and the stages of a pipeline inherit.
The defaults allow a whole Sentinel-2 tile (10,980 x 10,980 pixels, 120.6 million) as a photo, as a
mask, and as the maps of one class in float32, and keep the memory for a malicious file below 1 GiB.
"""

import errno
import os
import stat
from pathlib import Path
from xml.etree import ElementTree

MIB = 1 << 20
FULL_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)  # numbers of OSError
DEFAULTS = {
    'MMWSSS_MAX_MEGAPIXELS': 134,  # photos and masks: width x height
    'MMWSSS_MAX_MAPS_MB': 512,  # arrays of CAM files and CRF maps, unpacked
    'MMWSSS_MAX_TEXT_MB': 64,  # lists, tables, annotations
    'MMWSSS_MAX_JSON_MB': 32,  # Python objects take 20 times the memory of their JSON
}
_KINDS = (
    (stat.S_ISDIR, 'a folder'),
    (stat.S_ISFIFO, 'a named pipe'),
    (stat.S_ISSOCK, 'a socket'),
    (stat.S_ISCHR, 'a device'),
    (stat.S_ISBLK, 'a device'),
)


def limit(name: str) -> float:
    """Value of a limit: the environment variable ``name``, or its default.

    Raises:
        ValueError: The variable is not a positive number. The message names it.
    """
    text = os.environ.get(name)
    if text is None:
        return DEFAULTS[name]
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not value > 0:
        raise ValueError(f'{name}={text!r}: expected a positive number, e.g. {DEFAULTS[name]}')
    return value


def check_regular_file(path: str | Path, what: str) -> os.stat_result:
    """Reject a path that is not a regular file, without opening it, because reading a named pipe or
    a device may never end.

    Args:
        path: File, or a link to one.
        what: Kind of the file, for messages, e.g. ``'image'``.

    Returns:
        The result of :func:`os.stat`.

    Raises:
        FileNotFoundError: The file does not exist.
        ValueError: The path is a folder, pipe, socket or device.
    """
    try:
        status = os.stat(path)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise FileNotFoundError(f'{path}: {what} not found') from error
    except ValueError as error:  # a NUL character in the path
        raise ValueError(f'{str(path)!r}: no name of a file ({error})') from error
    if not stat.S_ISREG(status.st_mode):
        kind = next((name for test, name in _KINDS if test(status.st_mode)), 'no regular file')
        raise ValueError(f'{path}: {kind}, expected a file ({what})')
    return status


def check_pixels(
    path: str | Path, width: int, height: int, what: str, max_pixels: float | None = None
) -> None:
    """Reject an image by the size in its header.

    Args:
        path: File, for the message.
        width, height: Size in pixels.
        what: Kind of the file, for the message.
        max_pixels: Default: ``MMWSSS_MAX_MEGAPIXELS``.

    Raises:
        ValueError: There are too many pixels. The message names the file, its size and the option.
    """
    allowed = limit('MMWSSS_MAX_MEGAPIXELS') * 1e6 if max_pixels is None else max_pixels
    if width * height > allowed:
        # rounded up, so that the suggested value is sufficient
        needed = -(-width * height // 1_000_000)
        raise ValueError(
            f'{path}: {what} of {width}x{height} (width x height), {width * height / 1e6:.0f} '
            f'million pixels, more than the {allowed / 1e6:.0f} million that are read; cut it into '
            f'tiles or make it smaller, or set MMWSSS_MAX_MEGAPIXELS={needed}'
        )


def read_text(
    path: str | Path, what: str, *, option: str = 'MMWSSS_MAX_TEXT_MB', encoding: str = 'utf-8-sig'
) -> str:
    """Text of a UTF-8 file of bounded size, without a byte-order mark.

    Args:
        path: File.
        what: Kind of the file, for messages, e.g. ``'image list'``.
        option: Name of the size limit.
        encoding: Encoding of the file.

    Raises:
        FileNotFoundError: The file does not exist.
        ValueError: The file is not regular, too large, or not UTF-8. The message names the file and
            the remedy.
    """
    try:
        return read_bytes(path, what, option=option).decode(encoding)
    except UnicodeDecodeError as error:
        raise ValueError(f'{path}: not a UTF-8 text file ({error}); save it as UTF-8') from error


def read_bytes(path: str | Path, what: str, *, option: str = 'MMWSSS_MAX_TEXT_MB') -> bytes:
    """Content of a file of bounded size; arguments and errors of :func:`read_text`."""
    size, allowed = check_regular_file(path, what).st_size, limit(option) * MIB
    if size > allowed:
        raise ValueError(
            f'{path}: {what} of {size / MIB:.0f} MiB, more than the {allowed / MIB:.0f} MiB that '
            f'are read; is it the right file? If so set {option}={-(-size // MIB)}'
        )
    return Path(path).read_bytes()


def read_xml(path: str | Path, what: str, root_tag: str | None = None) -> ElementTree.Element:
    """Root of an XML file of bounded size; see :func:`parse_xml`.

    Args:
        path: File.
        what: Kind of the file, for messages, e.g. ``'CVAT file'``.
        root_tag: Required name of the root; None: any.

    Raises:
        FileNotFoundError: The file does not exist.
        ValueError: The file is not regular, too large, not XML, or has another root. The message
            names the file.
    """
    root = parse_xml(read_bytes(path, what), path)
    if root_tag is not None and root.tag != root_tag:
        raise ValueError(f'{path}: not a {what}: expected <{root_tag}>, found <{root.tag}>')
    return root


def parse_xml(data: bytes, path: str | Path) -> ElementTree.Element:
    """Root of an XML document.

    A document type, the only place that can define entities which expand or read other files, is
    rejected, as are encodings that could hide one.

    Args:
        data: Document in UTF-8, or another encoding in which ASCII characters are single bytes.
        path: File, for messages.

    Raises:
        ValueError: The document is not valid. The message names the file.
    """
    if b'\x00' in data:
        raise ValueError(f'{path}: not an XML file in UTF-8; save it again as UTF-8')
    if b'<!DOCTYPE' in data or b'<!ENTITY' in data:
        raise ValueError(f'{path}: not an XML file of ours (it has a document type: remove it)')
    try:
        return ElementTree.fromstring(data)
    except (ElementTree.ParseError, LookupError, ValueError, RecursionError) as error:
        raise ValueError(f'{path}: not an XML file ({error})') from error
