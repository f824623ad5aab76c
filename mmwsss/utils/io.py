"""CAM files, mask files, tag tables and id lists: read with clear errors, written atomically, never
with pickle.

CAM file ``<id>.npz``: ``keys`` (K,) int16 0-based foreground class ids, ``cam`` (K,H,W) float16 or
float32 in [0,1], ``size`` (2,) H and W. An image without tags has K=0. Mask ``<id>.png``: 8-bit
palette image, 0 background, 255 ignore.
"""

import csv
import errno
import io
import json
import os
import re
import struct
import tempfile
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
from PIL import Image, UnidentifiedImageError

LEFTOVER_SUFFIX = '.part'
FULL_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class CAMFile(NamedTuple):
    """Content of a CAM file."""

    keys: np.ndarray
    cam: np.ndarray
    size: tuple


@contextmanager
def atomic_open(
    path: str | Path, mode: str = 'wb', *, durable: bool = False, **kwargs: Any
) -> Iterator[IO]:
    """Open a temporary file beside ``path`` that takes its place only when the block ends without
    an error.

    A process that is killed leaves the old file, or none, and perhaps the temporary one
    (:func:`remove_leftovers`).

    Args:
        path (str | Path): Final file; its folder is created.
        mode (str): ``'wb'`` or ``'w'``.
        durable (bool): The content reaches the disk before the new name does, and the name before
            this returns, so that a power failure leaves the old file or the new one as well. For
            files that others depend on: checkpoints and notes of what is done.

    Raises:
        OSError: The disk is full, or the folder cannot be written to; names the file.
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
    """Make new names in a folder reach the disk; some file systems cannot, which is no error."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):
            os.fsync(handle)
    finally:
        os.close(handle)


def remove_leftovers(folder: str | Path) -> list[str]:
    """Remove the temporary files that a killed process left in a folder and its subfolders.

    Only for the process that holds the folder (:class:`mmwsss.utils.locks.FolderLock`).

    Args:
        folder (str | Path): May be missing.

    Returns:
        list[str]: The files, relative to the folder.
    """
    removed = [path for path in Path(folder).rglob(f'.*{LEFTOVER_SUFFIX}') if path.is_file()]
    for path in removed:
        path.unlink(missing_ok=True)
    return sorted(path.relative_to(folder).as_posix() for path in removed)


def _umask():
    """Permission bits that new files lack (a temporary file is private to its owner)."""
    mask = os.umask(0)
    os.umask(mask)
    return mask


def write_json(path, data):
    """Write ``data`` as indented JSON, atomically."""
    text = json.dumps(data, indent=2, ensure_ascii=False) + '\n'
    with atomic_open(path, 'w', durable=True, encoding='utf-8') as file:
        file.write(text)


def read_json(path, repeated=None):
    """Read a JSON file.

    Args:
        path (str | Path): UTF-8 file.
        repeated (list, optional): Takes the keys that an object has more than once, of which only
            the last value is returned.

    Raises:
        ValueError: The file is not JSON; names the file and the position.
    """

    def build(pairs):
        table = dict(pairs)
        if len(table) < len(pairs):
            counts = Counter(key for key, _ in pairs)
            repeated.extend(key for key, count in counts.items() if count > 1)
        return table

    try:
        return json.loads(
            Path(path).read_text(encoding='utf-8-sig'),
            object_pairs_hook=None if repeated is None else build,
        )
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f'{path}: not a JSON file ({error})') from error


def write_cam(path, keys, cam, size=None):
    """Write a CAM file atomically.

    Args:
        path (str | Path): Ends with ``.npz``.
        keys (array): (K,) foreground class ids, 0-based.
        cam (array): (K,H,W) in [0,1]; float16 stays float16, everything else becomes float32.
        size (tuple, optional): (H,W), needed when K is 0.
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
    buffer = io.BytesIO()
    np.savez(buffer, keys=keys, cam=cam, size=np.asarray(size, np.int32))
    with atomic_open(path) as file:
        file.write(buffer.getbuffer())


def read_cam(path):
    """Read a CAM file.

    Returns:
        CAMFile: ``keys`` (K,) int16, ``cam`` (K,H,W), ``size`` (H,W).

    Raises:
        FileNotFoundError: No such file.
        ValueError: The file is damaged or is no CAM file; says to delete it and run again.
    """
    try:
        with np.load(path, allow_pickle=False) as data:
            result = CAMFile(data['keys'], data['cam'], tuple(int(side) for side in data['size']))
    except FileNotFoundError:
        raise
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(
            f'{path}: damaged CAM file ({error}); delete it and generate it again'
        ) from error
    if result.cam.shape != (len(result.keys), *result.size):
        raise ValueError(
            f'{path}: CAMs of shape {result.cam.shape} do not fit {len(result.keys)} keys and '
            f'size {result.size}'
        )
    return result


def read_cam_and_image(cam_path, image_path, num_classes=None):
    """CAM file with the image that it belongs to.

    Args:
        cam_path, image_path (str | Path): Files.
        num_classes (int, optional): C, to check class ids against; default 254, as many as a mask
            file has labels for.

    Returns:
        tuple: Maps (K,H,W) float32 in [0,1], class ids (K,) int64, image (H,W,3) uint8 BGR.

    Raises:
        ValueError: Damaged file, size of the maps other than the image's, class id out of range;
            names the file.
    """
    maps = read_cam(cam_path)
    image = read_image(image_path)
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


def voc_palette(num_colors=256):
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


def write_mask(path, mask):
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


def read_mask(path, num_classes=None, size=None):
    """Read a (H,W) uint8 label map from a palette or grey PNG.

    Args:
        path (str | Path): PNG file.
        num_classes (int, optional): Number of classes with background; larger values but 255 raise.
        size (tuple, optional): Expected (H,W).

    Raises:
        FileNotFoundError: No such file.
        ValueError: Damaged file, colour image, wrong size, or class id out of range; names the file
            and the value.
    """
    try:
        mask = _read_plain_png(path)
        if mask is None:
            with Image.open(path) as image:
                if image.mode not in ('P', 'L', '1', 'I', 'I;16'):
                    raise ValueError(
                        f'{path}: a mask holds one class id per pixel (palette or grey PNG), this '
                        f'is a {image.mode} image'
                    )
                mask = np.array(image)
    except (UnidentifiedImageError, OSError, SyntaxError) as error:
        if isinstance(error, FileNotFoundError):
            raise FileNotFoundError(f'{path}: mask not found') from error
        raise ValueError(f'{path}: unreadable mask ({error})') from error
    if size is not None and mask.shape != tuple(size):
        raise ValueError(
            f'{path}: mask is {mask.shape[1]}x{mask.shape[0]} (width x height), its image is '
            f'{size[1]}x{size[0]}'
        )
    if num_classes is not None:
        foreign = (mask >= num_classes) & (mask != 255)
        if foreign.any():
            wrong = np.unique(mask[foreign]).tolist()
            raise ValueError(
                f'{path}: class ids {wrong[:5]} are outside 0..{num_classes - 1} (255 is ignore)'
            )
    return mask.astype(np.uint8, copy=False)


def _read_plain_png(path):
    """Pixels of an 8-bit palette or grey PNG with unfiltered rows, as label maps are stored; None
    for everything else, damage included.

    Twice as fast as PIL, which reads the rest.
    """
    with open(path, 'rb') as file:
        data = file.read()
    if data[:8] != b'\x89PNG\r\n\x1a\n' or data[12:16] != b'IHDR' or len(data) < 33:
        return None
    width, height, depth, color, _, _, interlaced = struct.unpack('>IIBBBBB', data[16:29])
    if depth != 8 or color not in (0, 3) or interlaced:
        return None
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
        rows = np.frombuffer(
            zlib.decompress(b''.join(parts), bufsize=min(height * (width + 1), 1 << 24)), np.uint8
        )
    except zlib.error:
        return None
    if rows.size != height * (width + 1):
        return None
    rows = rows.reshape(height, width + 1)
    return None if rows[:, 0].any() else np.ascontiguousarray(rows[:, 1:])


def read_id_list(path):
    """Read image ids, one a line; blank lines, Windows line ends and a byte-order mark are
    accepted.

    Raises:
        FileNotFoundError: No such file.
        ValueError: Empty list or an id that appears twice; names file and line.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f'{path}: image list not found')
    ids, lines = [], {}
    for number, line in enumerate(path.read_text(encoding='utf-8-sig').splitlines(), 1):
        name = line.strip()
        if not name:
            continue
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


def read_tags(path):
    """Read image tags from CSV (header ``image,tags``) or JSON (``{"image": ["tag", ...]}``).

    In CSV, tags are separated by blanks, or by ``;`` where one occurs in the field. A tag with
    blanks may be quoted, as written by hand (``"traffic light" car``) or by a CSV writer (the same
    with the whole field quoted and inner quotes doubled). A field that is one pair of quotes is one
    tag, unless the header is quoted too: that file was written with every field quoted. Image names
    are kept as written.

    Returns:
        dict[str, list[str]]: Tags of each image; an empty list is valid.

    Raises:
        FileNotFoundError: No such file.
        ValueError: No header, an image listed twice, a malformed row; names file and line.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(
            f'{path}: tag file not found (CSV with the header "image,tags", or JSON)'
        )
    if path.suffix.lower() == '.json':
        repeated = []
        table = read_json(path, repeated)
        if not isinstance(table, dict) or not all(
            isinstance(tags, list) for tags in table.values()
        ):
            raise ValueError(f'{path}: expected an object that maps image names to lists of tags')
        if repeated:
            raise ValueError(f'{path}: image {repeated[0]!r} is listed twice; join its tags')
        return {str(name): [str(tag) for tag in tags] for name, tags in table.items()}
    try:
        lines = path.read_text(encoding='utf-8-sig').splitlines() or ['']
    except UnicodeDecodeError as error:
        raise ValueError(
            f'{path}: not a UTF-8 text file ({error}); save the table as UTF-8 CSV'
        ) from error
    if [field.strip() for field in next(csv.reader(lines[:1]), [])] != ['image', 'tags']:
        raise ValueError(f'{path}, line 1: expected the header "image,tags", found {lines[0]!r}')
    table = {}
    for number, name, tags, wrong in tag_rows(lines):
        if wrong:
            raise ValueError(f'{path}, line {number}: {wrong}')
        table[name] = tags
    return table


def tag_rows(lines):
    """Rows of a tag table, see :func:`read_tags`.

    Args:
        lines (Sequence[str]): The header, and a line per image.

    Yields:
        tuple[int, str, list, str]: Number of the line, image, tags, and what is wrong with the
        line, empty if nothing is.
    """
    all_quoted, numbers = lines[0].startswith('"'), {}
    for number, line in enumerate(lines[1:], 2):
        if not line.strip():
            continue
        row = re.fullmatch(r'\s*(?:"((?:[^"]|"")+)"|([^",]+)),(.*)', line)
        if row is None:
            yield number, '', [], f'expected 2 fields (image, tags), found {line!r}'
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


def split_tags(field, all_quoted=False):
    """Split one raw CSV field (quotes as in the file) into tags.

    Args:
        field (str): Text between the commas.
        all_quoted (bool): Quotes around a whole field say nothing, as in a file whose every field
            is quoted.

    Raises:
        ValueError: A comma or a single double quote outside quotes.
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
                f'expected tags separated by blanks or ";", found {field!r} (a comma or an '
                f'unpaired quote)'
            )
    if ';' in field:
        return [tag.strip().strip('"') for tag in field.split(';') if tag.strip()]
    return [quoted or plain for quoted, plain in re.findall(r'"([^"]+)"|(\S+)', field)]


def write_tags(path, tags):
    """Write ``{image: [tag, ...]}`` as ``image_tags.csv``, atomically; tags with blanks or commas
    are separated by ``;``.
    """
    with atomic_open(path, 'w', encoding='utf-8', newline='') as file:
        writer = csv.writer(file, lineterminator='\n')
        writer.writerow(['image', 'tags'])
        for name, names in tags.items():
            wrong = [tag for tag in names if not tag.strip() or re.search('[";\n\r]', tag)]
            if wrong:
                raise ValueError(
                    f'{path}: image {name!r} has the tag {wrong[0]!r}; a tag is not empty and '
                    f'holds no quote, ";" or line end'
                )
            special = any(re.search(r'[\s,]', tag) for tag in names)
            field = (
                ';'.join(names) + (';' if len(names) == 1 else '') if special else ' '.join(names)
            )
            writer.writerow([name, field])


def read_image(path):
    """Read an image as (H,W,3) uint8 BGR (the channel order of MMCV); grey, palette and CMYK images
    are converted.

    Raises:
        FileNotFoundError: No such file.
        ValueError: The file is no readable image; names it.
    """
    try:
        with Image.open(path) as image:
            rgb = np.array(image.convert('RGB'))
    except FileNotFoundError as error:
        raise FileNotFoundError(f'{path}: image not found') from error
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError) as error:
        raise ValueError(f'{path}: unreadable image ({error})') from error
    return np.ascontiguousarray(rgb[..., ::-1])
