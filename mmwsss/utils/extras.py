"""Optional packages, which are installed by an extra of mmwsss."""

import importlib
from types import ModuleType


def import_extra(module: str, extra: str, what: str) -> ModuleType:
    """Import a module of an optional package.

    Args:
        module (str): Full name, such as ``'skimage.segmentation'``.
        extra (str): Extra of mmwsss that installs its package.
        what (str): Name of the feature that needs it, for the message.

    Returns:
        ModuleType

    Raises:
        ValueError: The package is not installed. The message names the command.
    """
    package = module.partition('.')[0]
    try:
        importlib.import_module(package)
        return importlib.import_module(module)
    except ImportError as error:
        raise ValueError(
            f'{what} needs {package}: pip install "mmwsss[{extra}]" ({error})'
        ) from error
