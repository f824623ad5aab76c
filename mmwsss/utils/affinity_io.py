"""Files of dense CRF probabilities from which PSA's training labels are computed: written
atomically, read with clear errors, no pickle.

File ``<id>.npz``: ``keys`` (K,) int16 0-based foreground class ids; ``la`` and ``ha`` (K+1,H,W)
float16 in [0,1], background first: the probabilities under a strong and under a weak background. An
image without tags has K=0.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from mmwsss.utils.arrays import check_unit_range, read_arrays
from mmwsss.utils.io import write_arrays


class CRFMaps(NamedTuple):
    """Content of a file of CRF maps."""

    keys: np.ndarray
    la: np.ndarray
    ha: np.ndarray


def write_crf_maps(path: str | Path, keys: ArrayLike, la: ArrayLike, ha: ArrayLike) -> None:
    """Write a file of CRF maps atomically, as float16.

    Args:
        path (str | Path): Ends with ``.npz``.
        keys (array): (K,) foreground class ids, 0-based.
        la (array): (K+1,H,W) in [0,1], strong background.
        ha (array): (K+1,H,W) in [0,1], weak background.

    Raises:
        ValueError: The shapes are inconsistent. The message names the file.
    """
    maps = CRFMaps(
        np.asarray(keys, np.int16).reshape(-1),
        np.asarray(la, np.float16),
        np.asarray(ha, np.float16),
    )
    _check_shapes(path, maps)
    write_arrays(path, **maps._asdict())


def read_crf_maps(path: str | Path) -> CRFMaps:
    """Read a file of CRF maps.

    Returns:
        CRFMaps: ``keys`` (K,) int16, ``la`` and ``ha`` (K+1,H,W) float16.

    Raises:
        FileNotFoundError: The file does not exist.
        ValueError: The file is damaged or is not a file of CRF maps. The message says to delete it
            and to run the tool again.
    """
    data = read_arrays(
        path,
        CRFMaps._fields,
        'file of CRF maps',
        'delete it and write it again with tools/make_affinity_labels.py',
    )
    maps = CRFMaps(**data)
    _check_shapes(path, maps)
    return maps


def _check_shapes(path: str | Path, maps: CRFMaps) -> None:
    if maps.keys.ndim != 1 or maps.keys.dtype.kind not in 'iu':
        raise ValueError(f'{path}: damaged file of CRF maps (keys are not a list of integers)')
    channels = len(maps.keys) + 1
    if maps.la.ndim != 3 or maps.la.shape != maps.ha.shape or len(maps.la) != channels:
        raise ValueError(
            f'{path}: {channels - 1} keys need la and ha of shape ({channels},H,W), got '
            f'{maps.la.shape} and {maps.ha.shape}'
        )
    if maps.la.dtype != np.float16 or maps.ha.dtype != np.float16:
        raise ValueError(
            f'{path}: CRF maps are {maps.la.dtype} and {maps.ha.dtype}, expected float16'
        )
    check_unit_range(path, maps.la, 'CRF maps')
    check_unit_range(path, maps.ha, 'CRF maps')
