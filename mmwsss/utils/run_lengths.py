"""Safe decoding of COCO run lengths of masks from untrusted files.

pycocotools does not check them: runs that end early leave the rest of a mask uninitialised, and
runs that are too long are written beyond its end.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def unpack_runs(text: str) -> list[int]:
    """Run lengths of an RLE string: five bits per character, and a sixth that marks a continuation;
    from the fourth run on, the difference to the run before the previous one.

    Raises:
        ValueError: A character is not in the alphabet, or the string ends within a run.
    """
    runs: list[int] = []
    value, shift = 0, 0
    for character in text:
        code = ord(character) - 48
        if not 0 <= code < 64:
            raise ValueError(f'{character!r} is not a character of an RLE string')
        value |= (code & 31) << shift
        shift += 5
        if not code & 32:
            value -= (code >> 4 & 1) << shift  # sign extension
            runs.append(value + (runs[-2] if len(runs) > 2 else 0))
            value, shift = 0, 0
    if shift:
        raise ValueError('the RLE string ends within a run')
    return runs


def fill_runs(runs: Any, size: tuple[int, int], *, columns: bool = False) -> NDArray[np.bool_]:
    """Mask from alternating runs, background first.

    Args:
        runs: Lengths of the runs.
        size: (H,W).
        columns: Whether the runs follow the columns, as in COCO, instead of the rows.

    Returns:
        (H,W) bool.

    Raises:
        ValueError: The runs are not integers, or do not add up to the size.
    """
    lengths = np.asarray(runs)
    # each length is limited before they are added, since the sum of huge ones could overflow
    if (
        lengths.ndim != 1
        or (lengths.size and lengths.dtype.kind not in 'iu')
        or (lengths < 0).any()
        or (lengths > size[0] * size[1]).any()
        or lengths.sum() != size[0] * size[1]
    ):
        raise ValueError(f'its runs do not add up to {size[0]} x {size[1]} pixels')
    return np.repeat(np.arange(len(lengths)) % 2 == 1, lengths).reshape(
        size, order='F' if columns else 'C'
    )


def decode_runs(shape: Any, size: tuple[int, int]) -> NDArray[np.bool_]:
    """Mask of a segmentation ``dict(size=[H, W], counts=...)``, runs or their packed string.

    Args:
        shape: Segmentation of a JSON file.
        size: (H,W) of the image.

    Returns:
        (H,W) bool.

    Raises:
        ValueError: The segmentation has another form or size, or is damaged.
    """
    if not isinstance(shape, dict) or not {'size', 'counts'} <= set(shape):
        raise ValueError('expected run lengths with "size" and "counts"')
    if shape['size'] != list(size):
        raise ValueError(f'its size is {shape["size"]}, that of the image {list(size)}')
    counts = shape['counts']
    if not isinstance(counts, (str, list)):
        raise ValueError(f'"counts" is a {type(counts).__name__}, expected a list or a string')
    runs = unpack_runs(counts) if isinstance(counts, str) else counts
    return fill_runs(runs, size, columns=True)
