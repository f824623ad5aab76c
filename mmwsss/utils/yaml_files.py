"""YAML files of bounded size."""

from pathlib import Path
from typing import Any

import yaml

from mmwsss.utils.limits import read_text


def read_yaml(path: str | Path) -> Any:
    """Plain data of a YAML file.

    Raises:
        FileNotFoundError: The file does not exist.
        ValueError: The file is damaged, too large, or contains aliases, with which a small file can
            exhaust the memory. The message names the file.
    """
    text = read_text(path, 'YAML file')
    try:
        if any(isinstance(token, yaml.AliasToken) for token in yaml.scan(text)):
            raise ValueError(f'{path}: has aliases (*name); write the values out')
        return yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError) as error:
        raise ValueError(f'{path}: not a YAML file ({" ".join(str(error).split())})') from error
