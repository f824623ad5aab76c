"""Files of text embeddings of class names: written atomically, read with clear errors, no pickle.

File ``.npz``: ``names`` (M,), C classes and then backgrounds; ``num_classes``, C; ``embeddings``
(M,E) float32, in the common space of images and texts; ``projection`` (D,E) float32, from the class
token to that space; ``scale``, the factor of the cosines before the softmax; ``sentences`` (M,),
the embedded sentences, and their ``prompt_hash``.
"""

import hashlib
import io
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from mmwsss.utils.arrays import read_arrays
from mmwsss.utils.io import atomic_open

REMEDY = 'write it again with tools/misc/make_text_cache.py'


class TextEmbeddings(NamedTuple):
    """Content of a file of text embeddings."""

    names: np.ndarray
    num_classes: np.ndarray
    embeddings: np.ndarray
    projection: np.ndarray
    scale: np.ndarray
    sentences: np.ndarray
    prompt_hash: np.ndarray


def write_text_embeddings(
    path: str | Path,
    names: Sequence[str],
    num_classes: int,
    embeddings: np.ndarray,
    projection: np.ndarray,
    scale: float,
    sentences: Sequence[str],
) -> None:
    """Write a file of text embeddings atomically.

    Args:
        path (str | Path): Ends with ``.npz``.
        names (Sequence[str]): Classes, then backgrounds.
        num_classes (int): Number of classes among them.
        embeddings (np.ndarray): (M,E).
        projection (np.ndarray): (D,E).
        scale (float): Factor of the cosines.
        sentences (Sequence[str]): (M,), the embedded sentences.

    Raises:
        ValueError: The shapes are inconsistent. The message names the file.
    """
    content = TextEmbeddings(
        np.asarray(names, np.str_),
        np.asarray(num_classes, np.int64),
        np.asarray(embeddings, np.float32),
        np.asarray(projection, np.float32),
        np.asarray(scale, np.float32),
        np.asarray(sentences, np.str_),
        np.asarray(hash_prompts(sentences), np.str_),
    )
    _check(path, content)
    buffer = io.BytesIO()
    np.savez(buffer, **content._asdict())
    with atomic_open(path) as file:
        file.write(buffer.getbuffer())


def hash_prompts(sentences: Sequence[str]) -> str:
    """Twelve characters that identify a set of sentences."""
    return hashlib.sha256('\n'.join(sentences).encode()).hexdigest()[:12]


def read_text_embeddings(
    path: str | Path, classes: Sequence[str], prompt_hash: str | None = None
) -> TextEmbeddings:
    """Read a file of text embeddings.

    Args:
        path (str | Path): The file.
        classes (Sequence[str]): Classes that it must contain, in this order.
        prompt_hash (str, optional): Expected hash of its sentences.

    Returns:
        TextEmbeddings

    Raises:
        FileNotFoundError: The file does not exist.
        ValueError: The file is damaged, or contains other classes or sentences. The message names
            it and says how to create it again.
    """
    content = TextEmbeddings(
        **read_arrays(path, TextEmbeddings._fields, 'file of text embeddings', REMEDY)
    )
    _check(path, content)
    found = content.names[: int(content.num_classes)].tolist()
    if found != list(classes):
        at = next(
            (i for i, pair in enumerate(zip(found, classes)) if pair[0] != pair[1]),
            min(len(found), len(classes)),
        )
        raise ValueError(
            f'{path}: holds other classes than the config: {len(found)} instead of '
            f'{len(classes)}, the first difference is number {at} '
            f'({_named(found, at)} instead of {_named(classes, at)}); {REMEDY}'
        )
    if prompt_hash not in (None, str(content.prompt_hash)):
        raise ValueError(
            f'{path}: computed from other sentences, such as {str(content.sentences[0])!r}: their '
            f'hash is {content.prompt_hash}, the config has {prompt_hash}; {REMEDY}'
        )
    return content


def _named(names: Sequence[str], index: int) -> str:
    return repr(names[index]) if index < len(names) else 'none'


def _check(path: str | Path, content: TextEmbeddings) -> None:
    names, count, embeddings, projection, scale, sentences, prompt_hash = content
    fits = (
        names.ndim == 1
        and names.dtype.kind == 'U'
        and count.ndim == scale.ndim == 0
        and count.dtype.kind in 'iu'
        and 0 < int(count) <= len(names)
        and sentences.shape == names.shape
        and str(prompt_hash) == hash_prompts(sentences.tolist())
        and embeddings.ndim == projection.ndim == 2
        and len(embeddings) == len(names)
        and embeddings.shape[1] == projection.shape[1]
        and embeddings.dtype.kind == projection.dtype.kind == scale.dtype.kind == 'f'
        and all(np.isfinite(array).all() for array in (embeddings, projection, scale))
    )
    if not fits:
        raise ValueError(
            f'{path}: damaged file of text embeddings (names {names.shape}, embeddings '
            f'{embeddings.shape}, projection {projection.shape}, {count} classes); {REMEDY}'
        )
