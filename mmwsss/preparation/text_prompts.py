"""Text embeddings of class names and backgrounds, computed by a CLIP model of transformers."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mmwsss.utils.extras import import_extra
from mmwsss.utils.io import read_json
from mmwsss.utils.limits import read_text
from mmwsss.utils.text_embeddings import write_text_embeddings

# surroundings of the objects of VOC: the background set of CLIP-ES (CVPR 2023)
BACKGROUNDS = (
    *('ground', 'land', 'grass', 'tree', 'building', 'wall', 'sky', 'lake', 'water', 'river'),
    *('sea', 'railway', 'railroad', 'keyboard', 'helmet', 'cloud', 'house', 'mountain', 'ocean'),
    *('road', 'rock', 'street', 'valley', 'bridge', 'sign'),
)
TEMPLATE = 'a clean origami {}.'  # as in CLIP-ES


def read_names(path: str | Path) -> list[str]:
    """Names of a text file, one per line.

    Raises:
        FileNotFoundError: The file does not exist.
        ValueError: The file contains no name.
    """
    names = [line.strip() for line in read_text(path, 'list of names').splitlines()]
    names = [name for name in names if name]
    if not names:
        raise ValueError(f'{path}: no name; write one per line')
    return names


def read_prompts(path: str | Path) -> dict[str, str]:
    """Alternative prompts of classes from a JSON object that maps class names to prompts.

    Raises:
        FileNotFoundError: The file does not exist.
        ValueError: The file does not contain such an object.
    """
    prompts = read_json(path)
    if not isinstance(prompts, dict) or not all(isinstance(v, str) for v in prompts.values()):
        raise ValueError(f'{path}: expected {{"class name": "other words", ...}}')
    return prompts


def make_text_embeddings(
    path: str | Path,
    source: str | Path,
    classes: Sequence[str],
    *,
    backgrounds: Sequence[str] = BACKGROUNDS,
    prompts: Mapping[str, str] | None = None,
    template: str = TEMPLATE,
) -> None:
    """Write the file that :class:`mmwsss.models.cams.TextCAM` reads, on a machine with transformers
    and the weights of a CLIP model.

    Args:
        path (str | Path): Ends with ``.npz``.
        source (str | Path): Folder, or name on the Hugging Face hub:
            ``'openai/clip-vit-base-patch16'``.
        classes (Sequence[str]): Class names of the data set, without background.
        backgrounds (Sequence[str]): Names that compete with the classes.
        prompts (Mapping[str, str], optional): Alternative prompts for some classes, such as
            ``'person': 'person with clothes'``.
        template (str): Template sentence for a name.

    Raises:
        ValueError: transformers is not installed, ``source`` is not a CLIP model, a prompt belongs
            to an unknown class, or the template lacks ``{}``.
    """
    transformers = import_extra('transformers', 'foundation', 'the text cache')
    try:
        model = transformers.CLIPModel.from_pretrained(source).eval()
        tokenizer = transformers.AutoTokenizer.from_pretrained(source)
    except (OSError, ValueError) as error:
        raise ValueError(
            f'{source}: not a CLIP of transformers, or it cannot be downloaded '
            f'({str(error).splitlines()[0]}); give its folder, or run this on a connected machine'
        ) from error
    write_prompts(path, model, tokenizer, classes, backgrounds, prompts, template)


@torch.no_grad()
def write_prompts(
    path: str | Path,
    model: Any,
    tokenizer: Callable[..., Mapping[str, torch.Tensor]],
    classes: Sequence[str],
    backgrounds: Sequence[str] = BACKGROUNDS,
    prompts: Mapping[str, str] | None = None,
    template: str = TEMPLATE,
) -> None:
    """:func:`make_text_embeddings` with a given ``transformers.CLIPModel`` and its tokenizer."""
    unknown = sorted(set(prompts or {}) - set(classes))
    if unknown:
        raise ValueError(
            f'a prompt is given for {unknown[0]!r}, which is not one of the {len(classes)} '
            f'classes; use the names of the data set'
        )
    if '{}' not in template:
        raise ValueError(f"the template {template!r} has no place for the name; write '{{}}' there")
    names = [*classes, *backgrounds]
    sentences = [template.format((prompts or {}).get(name, name)) for name in names]
    tokens = tokenizer(sentences, padding=True, return_tensors='pt')
    texts = model.text_projection(model.text_model(**tokens).pooler_output)
    write_text_embeddings(
        path,
        names,
        len(classes),
        np.asarray(texts.float()),
        np.asarray(model.visual_projection.weight.float()).T,
        float(model.logit_scale.exp()),
        sentences,
    )
