"""Photos in all supported forms: files, folders, patterns, PIL images, arrays and tensors."""

import glob
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image
from torch import Tensor

from mmwsss.utils.file_lookup import IMAGE_SUFFIXES, is_hidden, walk_files
from mmwsss.utils.image_io import image_to_bgr, read_image
from mmwsss.utils.io import swap_channels


class Photo(NamedTuple):
    """A photo.

    Attributes:
        name: Name for output files, with ``/`` between folders.
        source: File, or a description, for messages.
        pixels: (H,W,3) uint8 BGR; None: read from the file ``source``.
    """

    name: str
    source: str
    pixels: np.ndarray | None = None

    def read(self, **options: Any) -> np.ndarray:
        """Pixels (H,W,3) uint8 BGR.

        Args:
            options: Options of :func:`mmwsss.utils.image_io.read_image`, for files.
        """
        return read_image(self.source, **options) if self.pixels is None else self.pixels


def gather_photos(photos: Any, *, rgb: bool | None = None) -> tuple[list[Photo], bool]:
    """Collect photos from files or from memory.

    Args:
        photos: A file, a folder (with those below it), a pattern such as ``'trip/*.jpg'``, a PIL
            image, an array (H,W,3), (H,W) or (N,H,W,3), a tensor (3,H,W), (1,H,W), (H,W) or
            (N,3,H,W), or a sequence of any of these. Arrays and tensors are uint8, or floats in
            [0,1].
        rgb: Order of the channels of arrays and tensors; None: BGR for arrays, as in OpenCV, and
            RGB for tensors, as in torchvision. PIL images define their order.

    Returns:
        The photos, and whether a single photo was given outside of any sequence, folder or pattern.

    Raises:
        FileNotFoundError: A folder or pattern has no photos.
        ValueError: A URL was given, or pixels in a form that cannot be interpreted safely.
    """
    if not isinstance(photos, Photo | str | Path | Image.Image | np.ndarray | Tensor):
        if not isinstance(photos, Iterable):
            raise ValueError(
                f'a photo is a file, a folder, a pattern, a PIL image, an array or a tensor, got '
                f'{type(photos).__name__}'
            )
        found = list(chain.from_iterable(_photos_of(entry, rgb) for entry in photos))
        return [_numbered(photo, index) for index, photo in enumerate(found)], False
    found = list(_photos_of(photos, rgb))
    if _is_one(photos):
        return [found[0]._replace(name=found[0].name or 'image')], True
    return [_numbered(photo, index) for index, photo in enumerate(found)], False


def tags_of_photos(tags: Any, photos: Sequence[Photo], single: bool) -> list[list[Any]] | None:
    """Tags of each photo.

    Args:
        tags: None; one tag; several tags for all photos; or the tags of each photo: a sequence of
            sequences, or a mapping from the names of photos.
        photos: Photos from :func:`gather_photos`.
        single: Whether there is a single photo.

    Raises:
        ValueError: The tags belong to another number of photos, or only to some photos.
    """
    if tags is None:
        return None
    if isinstance(tags, Mapping):
        missing = [photo.name for photo in photos if photo.name not in tags]
        if missing:
            raise ValueError(
                f'tags: {len(missing)} of {len(photos)} photos have no entry, first {missing[0]!r};'
                f' an empty list means that a photo shows none of the classes'
            )
        return [_listed(tags[photo.name]) for photo in photos]
    entries = _listed(tags)
    if single or not entries or not all(_is_listing(entry) for entry in entries):
        if any(entry is None or _is_listing(entry) for entry in entries):
            raise ValueError('tags: pass one list for all photos, or a list for each of them')
        return [entries] * len(photos)
    if len(entries) != len(photos):
        raise ValueError(f'tags: lists of {len(entries)} photos for {len(photos)} photos')
    return [_listed(entry) for entry in entries]


def _photos_of(photo: Any, rgb: bool | None) -> Iterator[Photo]:
    if isinstance(photo, Photo):
        yield photo
    elif isinstance(photo, str | Path):
        yield from _named_photos(str(photo))
    elif isinstance(photo, Image.Image):
        file = getattr(photo, 'filename', '')
        name = Path(file).stem if file else ''
        yield Photo(name, str(file) or 'the image', image_to_bgr(photo))
    elif isinstance(photo, np.ndarray | Tensor):
        array, order = _as_array(photo)
        for pixels in array if array.ndim == 4 else [array]:
            yield Photo('', 'the image', _to_bgr(pixels, order if rgb is None else rgb))
    else:
        raise ValueError(
            f'a photo is a file, a folder, a pattern, a PIL image, an array or a tensor, got '
            f'{type(photo).__name__}'
        )


def _named_photos(word: str) -> Iterator[Photo]:
    if '://' in word:
        raise ValueError(f'{word}: photos are not downloaded; save the photo and pass its file')
    path = Path(word)
    if path.is_dir():
        names = list(walk_files(path, IMAGE_SUFFIXES))
        if not names:
            raise FileNotFoundError(f'{word}: no photo ({", ".join(IMAGE_SUFFIXES)}) in the folder')
        for name in names:
            yield Photo(str(Path(name).with_suffix('').as_posix()), str(path / name))
    elif _is_pattern(path):
        found = [Path(file) for file in sorted(glob.glob(word, recursive=True))]
        files = [file for file in found if _is_photo_file(file)]
        if not files:
            raise FileNotFoundError(f'{word}: no photo has such a name')
        yield from (Photo(file.stem, str(file)) for file in files)
    else:
        yield Photo(path.stem, word)


def _is_photo_file(path: Path) -> bool:
    known = path.suffix.lower() in IMAGE_SUFFIXES
    return known and path.is_file() and not is_hidden(path.name)


def _is_pattern(path: Path) -> bool:
    return glob.has_magic(str(path)) and not path.exists()


def _is_one(photo: Any) -> bool:
    """Whether an input denotes a single photo."""
    if isinstance(photo, str | Path):
        return not (Path(photo).is_dir() or _is_pattern(Path(photo)))
    return not (isinstance(photo, np.ndarray | Tensor) and photo.ndim == 4)


def _numbered(photo: Photo, index: int) -> Photo:
    """Name photos without a name by their index."""
    if photo.name:
        return photo
    return photo._replace(name=f'image_{index}', source=f'image {index}')


def _as_array(photo: np.ndarray | Tensor) -> tuple[np.ndarray, bool]:
    """Array with the channels last, and whether they are RGB by convention."""
    if not isinstance(photo, Tensor):
        return photo, False
    photo = photo.detach().cpu()
    array = (photo.float() if photo.is_floating_point() else photo).numpy()
    if array.ndim >= 3 and array.shape[-3] in (1, 3):
        array = np.moveaxis(array, -3, -1)
    return array, True


def _to_bgr(pixels: np.ndarray, rgb: bool) -> np.ndarray:
    """(H,W,3) uint8 BGR of one image."""
    shape, kind = pixels.shape, pixels.dtype
    grey = pixels.ndim == 2 or (pixels.ndim == 3 and shape[2] == 1)
    if not grey and (pixels.ndim != 3 or shape[2] != 3):
        raise ValueError(
            f'the image must be (H,W,3) uint8 BGR, or (H,W) grey, or a tensor (3,H,W), got {shape} '
            f'{kind}'
        )
    if kind.kind == 'f':
        low, high = (float(pixels.min()), float(pixels.max())) if pixels.size else (0.0, 0.0)
        if not (low >= 0 and high <= 1):  # also rejects NaN
            raise ValueError(
                f'the image must be uint8 BGR, or floats in [0,1], got {kind} from {low:.4g} to '
                f'{high:.4g}; scale it'
            )
        pixels = np.rint(pixels * 255).astype(np.uint8)
    elif kind != np.uint8:
        raise ValueError(f'the image must be uint8 BGR, or floats in [0,1], got {shape} {kind}')
    if grey:
        return np.repeat(pixels.reshape(*shape[:2], 1), 3, axis=2)
    return swap_channels(pixels) if rgb else pixels


def _listed(tags: Any) -> list[Any]:
    """Tags of one photo as a list, also for a single tag."""
    if isinstance(tags, np.ndarray | Tensor):
        tags = tags.tolist()
    return list(tags) if _is_listing(tags) else [tags]


def _is_listing(entry: Any) -> bool:
    return not isinstance(entry, str) and isinstance(entry, Iterable)
