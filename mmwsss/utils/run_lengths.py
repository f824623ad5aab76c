"""Run lengths of masks as COCO stores them, from files that nobody vouches for.

pycocotools checks nothing: runs that end early leave the rest of a mask uninitialised, and runs
that are too long are written behind its end.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def unpack_runs(text: str) -> list[int]:
    """Run lengths of an RLE string: five bits a character, the sixth says that more follow; from
    the fourth run on, the difference to the run before the last.

    Raises:
        ValueError: Characters that are none of its alphabet, or an end within a run.
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
            value -= (code >> 4 & 1) << shift  # sign
            runs.append(value + (runs[-2] if len(runs) > 2 else 0))
            value, shift = 0, 0
    if shift:
        raise ValueError('the RLE string ends within a run')
    return runs


def fill_runs(runs: Any, size: tuple[int, int], *, columns: bool = False) -> NDArray[np.bool_]:
    """Mask whose runs alternate, background first.

    Args:
        runs: Lengths.
        size: (H,W).
        columns: Whether the runs go down the columns, as those of COCO, and not along the rows.

    Returns:
        (H,W) bool.

    Raises:
        ValueError: The runs are no whole numbers, or do not add up to the size.
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
        shape: Of a JSON file.
        size: (H,W) of the image.

    Returns:
        (H,W) bool.

    Raises:
        ValueError: Not such a segmentation, of another size, or damaged.
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
