"""CAM files, mask files, tag tables and id lists: read with clear errors, written atomically, never
with pickle.

CAM file ``<id>.npz``: ``keys`` (K,) int16 0-based foreground class ids, ``cam`` (K,H,W) float16 or
float32 in [0,1], ``size`` (2,) H and W. An image without tags has K=0. Mask ``<id>.png``: 8-bit
palette image, 0 background, 255 ignore.
"""

import csv
import io
import json
import os
import re
import struct
import tempfile
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
from PIL import Image

from mmwsss.utils.arrays import check_unit_range, read_arrays
from mmwsss.utils.image_io import open_image, read_image
from mmwsss.utils.limits import FULL_DISK, check_pixels, check_regular_file, read_text
from mmwsss.utils.names import check_name

__all__ = [
    'CAMFile',
    'atomic_open',
    'read_cam',
    'read_cam_and_image',
    'read_id_list',
    'read_image',
    'read_json',
    'read_mask',
    'read_tags',
    'split_tags',
    'tag_rows',
    'voc_palette',
    'write_cam',
    'write_json',
    'write_mask',
    'write_tags',
]
# modes with one channel of integers
MASK_MODES = ('P', 'L', '1', 'I', 'I;16', 'I;16L', 'I;16B', 'I;16N')
# bytes that unpack to at most 64 MiB, since deflate compresses by at most a factor of 1,032
SMALL_PACKED = 1 << 16
LOSSY_FORMATS = ('JPEG', 'MPO', 'JPEG2000', 'WEBP', 'AVIF')

LEFTOVER_SUFFIX = '.part'


class CAMFile(NamedTuple):
    """Content of a CAM file."""

    keys: np.ndarray
    cam: np.ndarray
    size: tuple


@contextmanager
def atomic_open(
    path: str | Path, mode: str = 'wb', *, durable: bool = False, **kwargs: Any
) -> Iterator[IO]:
    """Open a temporary file beside ``path`` that replaces it only if the block ends without an
    error.

    A killed process leaves the old file, or none, and possibly the temporary one
    (:func:`remove_leftovers`).

    Args:
        path (str | Path): Final file; its folder is created.
        mode (str): ``'wb'`` or ``'w'``.
        durable (bool): The content reaches the disk before the new name, and the name before this
            returns, so that the old or the new file also survives a power failure. This is meant
            for files on which others depend: checkpoints and records of finished work.

    Raises:
        OSError: The disk is full, or the folder cannot be written to. The message names the file.
    """
    path = Path(path)
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(
            dir=path.parent, prefix=f'.{path.name}.', suffix=LEFTOVER_SUFFIX
        )
        with os.fdopen(handle, mode, **kwargs) as file:
            yield file
            if durable:
                file.flush()
                os.fsync(file.fileno())
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
        if durable:
            _sync_folder(path.parent)
    except BaseException as error:
        if temporary is not None:
            Path(temporary).unlink(missing_ok=True)
        if isinstance(error, OSError) and error.errno in FULL_DISK:
            raise OSError(
                error.errno,
                f'{path}: cannot be written, {os.strerror(error.errno).lower()}; '
                'free some space and run the same command again',
            ) from error
        raise


def _sync_folder(folder: Path) -> None:
    """Flush new names in a folder to the disk; file systems that do not support this are not an
    error.
    """
    handle = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):
            os.fsync(handle)
    finally:
        os.close(handle)


def remove_leftovers(folder: str | Path, *, below: bool = True) -> list[str]:
    """Remove the temporary files that a killed process left in a folder.

    Only for the process that holds the folder (:class:`mmwsss.utils.locks.FolderLock`).

    Args:
        folder (str | Path): Folder, which may be missing.
        below (bool): Also search its subfolders, which may belong to other jobs.

    Returns:
        list[str]: The removed files, relative to the folder.
    """
    pattern = f'.*{LEFTOVER_SUFFIX}'
    found = Path(folder).rglob(pattern) if below else Path(folder).glob(pattern)
    removed = [path for path in found if path.is_file()]
    for path in removed:
        path.unlink(missing_ok=True)
    return sorted(path.relative_to(folder).as_posix() for path in removed)


def _umask() -> int:
    """Permission bits that new files lack (a temporary file is private to its owner)."""
    mask = os.umask(0)
    os.umask(mask)
    return mask


def write_json(path: str | Path, data: Any) -> None:
    """Write ``data`` as indented JSON, atomically."""
    text = json.dumps(data, indent=2, ensure_ascii=False) + '\n'
    with atomic_open(path, 'w', durable=True, encoding='utf-8') as file:
        file.write(text)


def read_json(path: str | Path, repeated: list[str] | None = None) -> Any:
    """Read a JSON file.

    Args:
        path (str | Path): UTF-8 file.
        repeated (list, optional): List that receives the keys that an object has more than once, of
            which only the last value is returned.

    Raises:
        FileNotFoundError: The file does not exist.
        ValueError: The file is not JSON, nested beyond Python's limit, or larger than
            ``MMWSSS_MAX_JSON_MB``. The message names the file and the position.
    """

    def build(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        table = dict(pairs)
        if repeated is not None and len(table) < len(pairs):
            counts = Counter(key for key, _ in pairs)
            repeated.extend(key for key, count in counts.items() if count > 1)
        return table

    text = read_text(path, 'JSON file', option='MMWSSS_MAX_JSON_MB')
    try:
        return json.loads(text, object_pairs_hook=None if repeated is None else build)
    except RecursionError as error:
        raise ValueError(f'{path}: not a JSON file of mmwsss (nested too deeply)') from error
    except ValueError as error:  # damaged, or an integer with thousands of digits
        raise ValueError(f'{path}: not a JSON file ({error})') from error


def write_arrays(path: str | Path, **arrays: Any) -> None:
    """Write an ``.npz`` archive of named arrays atomically; :func:`read_arrays` reads it."""
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    with atomic_open(path) as file:
        file.write(buffer.getbuffer())


def write_cam(path: str | Path, keys: Any, cam: Any, size: Sequence[int] | None = None) -> None:
    """Write a CAM file atomically.

    Args:
        path (str | Path): Ends with ``.npz``.
        keys (array): (K,) foreground class ids, 0-based.
        cam (array): (K,H,W) in [0,1]; float16 stays float16, everything else becomes float32.
        size (tuple, optional): (H,W), needed when K is 0.

    Raises:
        ValueError: The shapes are inconsistent, or values are not finite or not in [0,1]. The
            message names the file.
    """
    keys = np.asarray(keys, np.int16).reshape(-1)
    cam = np.asarray(cam)
    cam = cam if cam.dtype == np.float16 else cam.astype(np.float32)
    size = tuple(cam.shape[-2:]) if size is None else tuple(size)
    if cam.shape != (len(keys), *size):
        raise ValueError(
            f'{path}: {len(keys)} keys and size {size} need CAMs of shape {(len(keys), *size)}, '
            f'got {cam.shape}'
        )
    check_unit_range(path, cam, 'maps')
    write_arrays(path, keys=keys, cam=cam, size=np.asarray(size, np.int32))


def read_cam(path: str | Path) -> CAMFile:
    """Read a CAM file.

    Returns:
        CAMFile: ``keys`` (K,) int16, ``cam`` (K,H,W), ``size`` (H,W).

    Raises:
        FileNotFoundError: The file does not exist.
        ValueError: The file is damaged or is not a CAM file, is larger than ``MMWSSS_MAX_MAPS_MB``,
            or contains values that are not finite or not in [0,1]. The message says to generate it
            again.
    """
    data = read_arrays(path, ('keys', 'cam', 'size'), 'CAM file', 'delete it and generate it again')
    keys, cam, size = data['keys'], data['cam'], data['size']
    wrong = ''
    if keys.ndim != 1 or keys.dtype.kind not in 'iu':
        wrong = 'keys are not a list of integers'
    elif cam.ndim != 3 or cam.dtype not in (np.float16, np.float32):
        wrong = f'maps are {cam.dtype}, expected float16 or float32'
    elif size.shape != (2,) or size.dtype.kind not in 'iu' or size.min() < 1:
        wrong = 'size is not a pair of positive integers'
    if wrong:
        raise ValueError(f'{path}: damaged CAM file ({wrong}); delete it and generate it again')
    result = CAMFile(keys, cam, tuple(int(side) for side in size))
    if cam.shape != (len(keys), *result.size):
        raise ValueError(
            f'{path}: CAMs of shape {cam.shape} do not fit {len(keys)} keys and size {result.size}'
        )
    twice = len(keys) - len(np.unique(keys))
    if twice:
        raise ValueError(
            f'{path}: damaged CAM file (class ids {keys.tolist()} are listed twice); delete it and '
            f'generate it again'
        )
    check_unit_range(path, cam, 'maps')
    return result


def read_cam_and_image(
    cam_path: str | Path,
    image_path: str | Path,
    num_classes: int | None = None,
    **reading: Any,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """CAM file with the image that it belongs to.

    Args:
        cam_path, image_path (str | Path): Files.
        num_classes (int, optional): C, for the check of class ids; default 254, the number of
            labels in a mask file.
        reading: Options of :func:`read_image`.

    Returns:
        tuple: Maps (K,H,W) float32 in [0,1], class ids (K,) int64, image (H,W,3) uint8 BGR.

    Raises:
        ValueError: A file is damaged, the maps differ in size from the image, or a class id is out
            of range. The message names the file.
    """
    maps = read_cam(cam_path)
    image = read_image(image_path, **reading)
    if maps.size != image.shape[:2]:
        raise ValueError(
            f'{cam_path}: maps of {maps.size[1]}x{maps.size[0]} (width x height), but '
            f'{image_path} is '
            f'{image.shape[1]}x{image.shape[0]}'
        )
    keys = maps.keys.astype(np.int64)
    num_classes = 254 if num_classes is None else num_classes
    if len(keys) and not 0 <= keys.min() <= keys.max() < num_classes:
        raise ValueError(f'{cam_path}: class ids {keys.tolist()} are outside 0..{num_classes - 1}')
    return maps.cam.astype(np.float32), keys, image


def voc_palette(num_colors: int = 256) -> np.ndarray:
    """Colours of PASCAL VOC label maps, (num_colors,3) uint8: the bits of an index are spread over
    the high bits of R, G and B.
    """
    index = np.arange(num_colors)
    palette = np.zeros((num_colors, 3), np.uint8)
    for bit in range(8):
        for channel in range(3):
            palette[:, channel] |= (((index >> (3 * bit + channel)) & 1) << (7 - bit)).astype(
                np.uint8
            )
    return palette


def write_mask(path: str | Path, mask: np.ndarray) -> None:
    """Write a (H,W) label map (0 background, 255 ignore) as an 8-bit palette PNG with VOC colours,
    atomically.
    """
    image = Image.fromarray(np.asarray(mask, np.uint8), mode=None).convert('L')
    palette_image = Image.frombytes('P', image.size, image.tobytes())
    palette_image.putpalette(voc_palette().tobytes())
    buffer = io.BytesIO()
    palette_image.save(buffer, 'PNG')
    with atomic_open(path) as file:
        file.write(buffer.getbuffer())


def read_mask(
    path: str | Path,
    num_classes: int | None = None,
    size: Sequence[int] | None = None,
    *,
    max_pixels: int | None = None,
) -> np.ndarray:
    """Read a (H,W) uint8 label map from a palette or grey PNG.

    Args:
        path (str | Path): PNG file.
        num_classes (int, optional): Number of classes including background; larger values except
            255 raise an error.
        size (tuple, optional): Expected (H,W).
        max_pixels (float, optional): Largest width x height; default ``MMWSSS_MAX_MEGAPIXELS``.

    Raises:
        FileNotFoundError: The file does not exist.
        ValueError: The file is damaged, a colour image or in a lossy format, or has a wrong size or
            a class id out of range. The message names the file and the value.
    """
    mask = _read_plain_png(path, max_pixels)
    if mask is None:
        with open_image(path, 'mask', max_pixels=max_pixels) as image:
            if image.mode not in MASK_MODES:
                raise ValueError(
                    f'{path}: a mask holds one class id per pixel (palette or grey PNG), this '
                    f'is a {image.mode} image'
                )
            if image.format in LOSSY_FORMATS:
                raise ValueError(
                    f'{path}: a {image.format} image, whose class ids are changed by compression; '
                    f'make the mask again as PNG'
                )
            mask = np.array(image)
    if size is not None and mask.shape != tuple(size):
        raise ValueError(
            f'{path}: mask is {mask.shape[1]}x{mask.shape[0]} (width x height), its image is '
            f'{size[1]}x{size[0]}'
        )
    if num_classes is not None or mask.dtype.itemsize > 1:
        limit = 256 if num_classes is None else num_classes
        foreign = (mask < 0) | (mask >= limit) & (mask != 255)
        if foreign.any():
            wrong = np.unique(mask[foreign]).tolist()
            raise ValueError(
                f'{path}: class ids {wrong[:5]} are outside 0..{limit - 1} (255 is ignore)'
            )
    return mask.astype(np.uint8, copy=False)


def _read_plain_png(path: str | Path, max_pixels: int | None = None) -> np.ndarray | None:
    """Pixels of an 8-bit palette or grey PNG with unfiltered rows, as label maps are stored; None
    for all other files, including damaged ones.

    This is twice as fast as PIL, which reads the other files. No more is unpacked than the header
    declares.

    Raises:
        FileNotFoundError: The file does not exist.
        ValueError: The file is not regular or has too many pixels. The message names the file.
    """
    size = check_regular_file(path, 'mask').st_size
    with open(path, 'rb') as file:
        head = file.read(33)
        if head[:8] != b'\x89PNG\r\n\x1a\n' or head[12:16] != b'IHDR' or len(head) < 33:
            return None
        width, height, depth, color, _, _, interlaced = struct.unpack('>IIBBBBB', head[16:29])
        if depth != 8 or color not in (0, 3) or interlaced:
            return None
        check_pixels(path, width, height, 'mask', max_pixels)
        expected = height * (width + 1)
        # incompressible pixels, palette and a few text chunks
        if size > 2 * expected + (1 << 20):
            return None
        data = head + file.read()
    at, parts, kind = 8, [], b''
    while kind != b'IEND':
        if at + 12 > len(data):
            return None
        length, kind = struct.unpack('>I4s', data[at : at + 8])
        chunk = data[at + 4 : at + 8 + length]
        if data[at + 8 + length : at + 12 + length] != zlib.crc32(chunk).to_bytes(4, 'big'):
            return None
        if kind == b'IDAT':
            parts.append(chunk[4:])
        at += length + 12
    try:
        packed = b''.join(parts)
        if len(packed) <= SMALL_PACKED:  # unpacking into one buffer is fast
            rows = np.frombuffer(zlib.decompress(packed, bufsize=expected + 1), np.uint8)
        else:
            stream = zlib.decompressobj()
            rows = np.frombuffer(stream.decompress(packed, expected + 1), np.uint8)
            if not stream.eof:
                return None
    except zlib.error:
        return None
    if rows.size != expected:
        return None
    rows = rows.reshape(height, width + 1)
    return None if rows[:, 0].any() else np.array(rows[:, 1:])


def read_id_list(path: str | Path) -> list[str]:
    """Read image ids, one per line; blank lines, Windows line ends and a byte-order mark are
    accepted.

    Raises:
        FileNotFoundError: The file does not exist.
        ValueError: The list is empty, an id appears twice, or an id could lead out of a folder
            (:func:`mmwsss.utils.names.check_name`). The message names file and line.
    """
    ids: list[str] = []
    lines: dict[str, int] = {}
    for number, line in enumerate(read_text(path, 'image list').splitlines(), 1):
        name = line.strip()
        if not name:
            continue
        check_name(name, 'image id', origin=f'{path}, line {number}')
        if name in lines:
            raise ValueError(
                f'{path}, line {number}: image {name!r} is listed twice (first in line '
                f'{lines[name]})'
            )
        lines[name] = number
        ids.append(name)
    if not ids:
        raise ValueError(f'{path}: the list names no image')
    return ids


def read_tags(path: str | Path) -> dict[str, list[str]]:
    """Read image tags from CSV (header ``image,tags``) or JSON (``{"image": ["tag", ...]}``).

    In CSV, tags are separated by blanks, or by ``;`` if one occurs in the field. A tag with blanks
    may be quoted, as written by hand (``"traffic light" car``) or by a CSV writer (the same with
    the whole field quoted and inner quotes doubled). A field that is one pair of quotes is one tag,
    unless the header is quoted too: that file was written with every field quoted. Image names are
    kept as written.

    Returns:
        dict[str, list[str]]: Tags of each image; an empty list is valid.

    Raises:
        FileNotFoundError: The file does not exist.
        ValueError: There is no header, an image is listed twice, or a row is malformed. The message
            names file and line.
    """
    path = Path(path)
    check_regular_file(path, 'tag file (CSV with the header "image,tags", or JSON)')
    if path.suffix.lower() == '.json':
        repeated: list[str] = []
        table = read_json(path, repeated)
        if not isinstance(table, dict) or not all(
            isinstance(tags, list) for tags in table.values()
        ):
            raise ValueError(f'{path}: expected an object that maps image names to lists of tags')
        if repeated:
            raise ValueError(f'{path}: image {repeated[0]!r} is listed twice; join its tags')
        return {str(name): list(map(str, tags)) for name, tags in table.items()}
    lines = read_text(path, 'tag file').splitlines() or ['']
    try:
        header = [field.strip() for field in next(csv.reader(lines[:1]), [])]
    except csv.Error as error:
        raise ValueError(f'{path}, line 1: not a line of a CSV file ({error})') from error
    if header != ['image', 'tags']:
        raise ValueError(
            f'{path}, line 1: expected the header "image,tags", found {lines[0][:100]!r}'
        )
    table = {}
    for number, name, tags, wrong in tag_rows(lines):
        if wrong:
            raise ValueError(f'{path}, line {number}: {wrong}')
        table[name] = tags
    return table


def tag_rows(lines: Sequence[str]) -> Iterator[tuple[int, str, list[str], str]]:
    """Rows of a tag table, see :func:`read_tags`.

    Args:
        lines (Sequence[str]): The header, and one line per image.

    Yields:
        tuple[int, str, list, str]: Number of the line, image, tags, and the problem of the line,
            empty if there is none.
    """
    all_quoted = lines[0].startswith('"')
    numbers: dict[str, int] = {}
    for number, line in enumerate(lines[1:], 2):
        if not line.strip():
            continue
        row = re.fullmatch(r'\s*(?:"((?:[^"]|"")+)"|([^",]+)),(.*)', line)
        if row is None:
            yield number, '', [], f'expected 2 fields (image, tags), found {line[:100]!r}'
            continue
        name, tags, wrong = (row[1] or row[2]).replace('""', '"').strip(), [], ''
        if name in numbers:
            wrong = f'image {name!r} is listed twice (first in line {numbers[name]})'
        else:
            numbers[name] = number
            try:
                tags = split_tags(row[3], all_quoted)
            except ValueError as error:
                wrong = str(error)
        yield number, name, tags, wrong


def split_tags(field: str, all_quoted: bool = False) -> list[str]:
    """Split one raw CSV field (quotes as in the file) into tags.

    Args:
        field (str): Text between the commas.
        all_quoted (bool): Whether quotes around a whole field have no meaning, as in a file in
            which every field is quoted.

    Raises:
        ValueError: A comma or a single double quote is outside quotes.
    """
    field = field.strip()
    whole = re.fullmatch(r'"((?:[^"]|"")*)"', field)
    if whole and (all_quoted or '""' in whole[1] or ';' in whole[1]):
        field = whole[1].replace('""', '"')
    elif whole:
        return [whole[1].strip()] if whole[1].strip() else []
    else:
        bare = re.sub(r'"[^"]*"', '', field)
        if ',' in bare or '"' in bare:
            raise ValueError(
                f'expected tags separated by blanks or ";", found {field[:100]!r} (a comma or an '
                f'unpaired quote)'
            )
    if ';' in field:
        return [tag.strip().strip('"') for tag in field.split(';') if tag.strip()]
    return [quoted or plain for quoted, plain in re.findall(r'"([^"]+)"|(\S+)', field)]


def _tag_field(tags: Sequence[str]) -> str:
    """Tags in the field of a table, separated by ``;`` where a name holds a blank or a comma."""
    if not any(re.search(r'[\s,]', tag) for tag in tags):
        return ' '.join(tags)
    # a single name needs the separator too, otherwise it would be read as several
    return ';'.join(tags) if len(tags) > 1 else f'{tags[0]};'


def write_tags(path: str | Path, tags: Mapping[str, Sequence[str]]) -> None:
    """Write ``{image: [tag, ...]}`` as ``image_tags.csv``, atomically; tags with blanks or commas
    are separated by ``;``.
    """
    with atomic_open(path, 'w', encoding='utf-8', newline='') as file:
        writer = csv.writer(file, lineterminator='\n')
        writer.writerow(['image', 'tags'])
        for name, names in tags.items():
            check_name(name, 'image', origin=path)
            wrong = [tag for tag in names if not tag.strip() or re.search('[";\n\r]', tag)]
            if wrong:
                raise ValueError(
                    f'{path}: image {name!r} has the tag {wrong[0]!r}; a tag is not empty and '
                    f'holds no quote, ";" or line end'
                )
            writer.writerow([name, _tag_field(names)])


def swap_channels(image: np.ndarray) -> np.ndarray:
    """Convert a BGR image to RGB, and vice versa.

    Args:
        image: (H,W,3).

    Returns:
        (H,W,3), contiguous.
    """
    if image.dtype == np.uint8 and image.size:  # thirty times faster than a reversed copy
        import cv2  # slow to import, and many tools read no image

        return cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_BGR2RGB)
    return np.ascontiguousarray(image[..., ::-1])


def read_rgb(path: str | Path, *, raw: bool = False) -> np.ndarray:
    """:func:`read_image` as (H,W,3) uint8 RGB."""
    return swap_channels(read_image(path, raw=raw))
