"""Safe reading of array archives (``.npz``) from untrusted files, with bounds and without pickle.

:func:`numpy.load` trusts the sizes that a file declares. Here they are checked before anything is
unpacked, so that a few kilobytes cannot become gigabytes.
"""

import lzma
import math
import struct
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import IO

import numpy as np
from numpy.lib import format as npy

from mmwsss.utils.limits import MIB, check_regular_file, limit

MOST_MEMBERS = 64  # largest number of members of an archive; those of mmwsss have three
END_OF_ARCHIVE = struct.Struct('<4s4H2LH')  # the record with the number of members
LOCAL_HEADER = struct.Struct('<26xHH')  # of a member: lengths of its name and of the extra field
CHUNK = 1 << 18
TOLERANCE = 1e-3  # tolerance of [0,1], the resolution of float16
FLOAT_BITS = {2: (np.uint16, 0x3C00), 4: (np.uint32, 0x3F800000)}  # integer type, bits of 1
# exceptions of zipfile, its decompressors and the parser of NumPy's headers for damaged files
ARRAY_ERRORS = (
    OSError,
    ValueError,
    EOFError,
    LookupError,
    TypeError,
    SyntaxError,
    AttributeError,
    OverflowError,
    NotImplementedError,  # an unknown compression
    RuntimeError,  # encrypted; RecursionError
    MemoryError,
    struct.error,
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
)


def read_arrays(
    path: str | Path, names: Sequence[str], what: str, remedy: str
) -> dict[str, np.ndarray]:
    """Arrays of an ``.npz`` archive; other members are not read.

    Args:
        path: File.
        names: Arrays to read.
        what: Kind of the file, for messages, e.g. ``'CAM file'``.
        remedy: Remedy for a damaged file; ends the message.

    Returns:
        Writable arrays by name.

    Raises:
        FileNotFoundError: The file does not exist.
        ValueError: The file is not regular, is damaged, lacks one of the arrays, contains objects
            instead of numbers, or exceeds ``MMWSSS_MAX_MAPS_MB`` when unpacked. The message names
            the file.
    """
    allowed = limit('MMWSSS_MAX_MAPS_MB') * MIB
    size = check_regular_file(path, what).st_size
    if size > allowed + MIB:
        raise ValueError(_too_large(path, what, size, allowed))
    try:
        with open(path, 'rb') as file:
            _check_members(file, size)
            with zipfile.ZipFile(file) as archive:
                entries = [archive.getinfo(f'{name}.npy') for name in names]
                total = sum(entry.file_size for entry in entries)
                if total > allowed + MIB:
                    raise ValueError(_too_large(path, what, total, allowed))
                return {
                    name: _read_array(file, archive, entry) for name, entry in zip(names, entries)
                }
    except ARRAY_ERRORS as error:
        if str(error).startswith(f'{path}: '):
            raise
        reason = error.args[0] if isinstance(error, KeyError) else error
        raise ValueError(
            f'{path}: damaged {what} ({str(reason) or type(error).__name__}); {remedy}'
        ) from error


def _too_large(path: str | Path, what: str, size: int, allowed: float) -> str:
    return (
        f'{path}: {what} of {size / MIB:.0f} MiB when unpacked, more than the '
        f'{allowed / MIB:.0f} MiB that are read; set MMWSSS_MAX_MAPS_MB={-(-size // MIB)} if it is '
        f'right'
    )


def _check_members(file: IO[bytes], size: int) -> None:
    """Reject an archive with thousands of members before its directory is parsed."""
    file.seek(max(0, size - END_OF_ARCHIVE.size - (1 << 16)))
    tail = file.read()
    at = tail.rfind(b'PK\5\6')
    if at < 0 or len(tail) < at + END_OF_ARCHIVE.size:
        raise ValueError('not a zip archive, or cut off')
    members = END_OF_ARCHIVE.unpack_from(tail, at)[4]
    if members > MOST_MEMBERS:
        raise ValueError(f'an archive of {members} members')
    file.seek(0)


def _read_array(file: IO[bytes], archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> np.ndarray:
    """Read one member, whose header must declare exactly the number of bytes in the archive."""
    with archive.open(entry) as member:
        version = npy.read_magic(member)
        if version == (1, 0):
            shape, fortran, dtype = npy.read_array_header_1_0(member)
        elif version == (2, 0):
            shape, fortran, dtype = npy.read_array_header_2_0(member)
        else:
            raise ValueError(f'{entry.filename} has the unknown version {version}')
        if dtype.hasobject or dtype.names is not None:
            raise ValueError(f'{entry.filename} holds objects, not numbers')
        if min(shape, default=0) < 0:
            raise ValueError(f'{entry.filename} has the shape {shape}')
        size = math.prod(shape) * dtype.itemsize
        if size != entry.file_size - member.tell():
            raise ValueError(
                f'{entry.filename} announces {size} bytes and has {entry.file_size - member.tell()}'
            )
        flat = np.empty(math.prod(shape), dtype)
        view = flat.view(np.uint8).data
        if entry.compress_type == zipfile.ZIP_STORED:
            _read_stored(file, entry, member.tell(), view)
        else:
            _read_packed(member, entry, view)
    return flat.reshape(shape[::-1]).T if fortran else flat.reshape(shape)


def _read_stored(file: IO[bytes], entry: zipfile.ZipInfo, header: int, view: memoryview) -> None:
    """Fill ``view`` with the rest of a member behind a ``header`` of bytes, without a copy."""
    file.seek(entry.header_offset)
    name, extra = LOCAL_HEADER.unpack(file.read(LOCAL_HEADER.size))
    file.seek(entry.header_offset + LOCAL_HEADER.size + name + extra)
    check = zlib.crc32(file.read(header))
    if file.readinto(view) != len(view):  # type: ignore[attr-defined]
        raise EOFError(f'{entry.filename} is cut off')
    if zlib.crc32(view, check) != entry.CRC:
        raise zipfile.BadZipFile(f'bad checksum of {entry.filename}')


def _read_packed(member: IO[bytes], entry: zipfile.ZipInfo, view: memoryview) -> None:
    """Fill ``view`` with the rest of a member while unpacking it."""
    at = 0
    while at < len(view):
        chunk = member.read(min(CHUNK, len(view) - at))
        if not chunk:
            raise EOFError(f'{entry.filename} ends after {at} of {len(view)} bytes')
        view[at : at + len(chunk)] = chunk
        at += len(chunk)
    member.read(1)  # reads the end, where the checksum is compared


def check_unit_range(path: str | Path, maps: np.ndarray, what: str) -> None:
    """Reject maps that are not probabilities: NaN, infinite or outside [0,1].

    Args:
        path: File of the maps, for the message.
        maps: Maps of any shape, float16 or float32.
        what: Kind of the maps, for the message.

    Raises:
        ValueError: A value is invalid. The message names the file, the first such value and the
            remedy.
    """
    if not maps.size:
        return
    # the bits of floats from 0 to 1 are integers in the same order, which allows one fast pass
    bits, one = FLOAT_BITS[maps.dtype.itemsize]
    if maps.view(bits).max() <= one:
        return
    low, high = maps.min(), maps.max()
    if low >= -TOLERANCE and high <= 1 + TOLERANCE:  # False for NaN
        return
    wrong = maps[~((maps >= -TOLERANCE) & (maps <= 1 + TOLERANCE))]
    finite = np.isfinite(wrong).all()
    remedy = (
        'scale them to 0..1'
        if finite
        else 'make them again; with fp16 the network may overflow, try --dtype bf16 or fp32'
    )
    raise ValueError(
        f'{path}: {what} must be finite and in [0,1], but {wrong.size} of {maps.size} values are '
        f'not, e.g. {wrong.flat[0]:g}; {remedy}'
    )
