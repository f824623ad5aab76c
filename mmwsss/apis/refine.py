"""Pseudo masks from CAM files and their images, by any registered refiner."""

import inspect
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import torch
from mmengine.config import Config
from torch import Tensor

from mmwsss.models.refiners import Refiner
from mmwsss.registry import REFINERS
from mmwsss.utils.io import read_cam_and_image, swap_channels, write_mask
from mmwsss.utils.names import output_path
from mmwsss.utils.transfer import send

from .inferencer import init_model


class Seeds(NamedTuple):
    """Input for the mask of an image.

    Attributes:
        img_id: Image id.
        pixels: (3,H,W) uint8 RGB.
        cams: (K,H,W) float32 in [0,1].
        keys: (K,) class ids, ascending.
    """

    img_id: str
    pixels: Tensor
    cams: Tensor
    keys: Tensor


@dataclass
class MaskMaker:
    """Writes ``<out>/<id>.png`` for a job ``(id, CAM file, image file)``; can be sent to worker
    processes.

    Attributes:
        out (Path): Folder of the masks.
        refiner (Refiner): Refiner that computes the labels.
        num_classes (int | None): C, for the check of class ids.
        raw_pixels (bool): Ignore the EXIF orientation of images, as the maps of VOC and COCO do.
        device (str): Device on which maps and images are refined.
        reading (Mapping): Further options of :func:`mmwsss.utils.io.read_image`.
    """

    out: Path
    refiner: Refiner
    num_classes: int | None = None
    raw_pixels: bool = False
    device: str = 'cpu'
    reading: Mapping[str, Any] = field(default_factory=dict)

    def __call__(self, job: tuple[str, Path, Path]) -> str:
        """Make the mask of one image.

        Args:
            job: Image id, CAM file, image file.

        Returns:
            Image id.

        Raises:
            ValueError: A file is damaged, the maps differ in size from the image, or a class id is
                out of range. The message names the file.
        """
        seeds = self.read(job)
        (label,) = self.labels([seeds])
        return self.write(seeds.img_id, label)

    def read(self, job: tuple[str, Path, Path]) -> Seeds:
        """Maps and pixels of one image, on the host; arguments and errors as in
        :meth:`__call__`.
        """
        img_id, cam_path, image_path = job
        cams, keys, image = read_cam_and_image(
            cam_path, image_path, self.num_classes, raw=self.raw_pixels, **self.reading
        )
        order = keys.argsort()
        return Seeds(
            img_id,
            torch.from_numpy(swap_channels(image)).permute(2, 0, 1),
            torch.from_numpy(cams[order]),
            torch.from_numpy(keys[order]),
        )

    def labels(self, seeds: Sequence[Seeds]) -> list[Tensor]:
        """Label maps (H,W) uint8 of images, on the host; images of the same size are refined
        together.
        """
        labels = self.refiner.for_images([item.img_id for item in seeds]).labels(
            [send(item.pixels, self.device) for item in seeds],
            [send(item.cams, self.device) for item in seeds],
            [send(item.keys, self.device) for item in seeds],
            [tuple(item.pixels.shape[-2:]) for item in seeds],
        )
        labels = [label.to(torch.uint8) for label in labels]
        if len({(label.device, label.shape) for label in labels}) == 1:
            return list(torch.stack(labels).cpu())  # one synchronisation for all images
        return [label.cpu() for label in labels]

    def write(self, img_id: str, label: Tensor) -> str:
        """Write the mask of an image and return its id."""
        write_mask(output_path(self.out, img_id, '.png'), label.numpy())
        return img_id


def refiner_class(name: str) -> type[Refiner]:
    """The refiner class with a registered name.

    Raises:
        ValueError: The refiner is unknown. The message lists the known ones.
    """
    found = REFINERS.get(name)
    if found is None:
        raise ValueError(
            f'{name!r} is not a known refiner; known: {", ".join(sorted(REFINERS.module_dict))}. '
            f'A custom refiner needs custom_imports in --config or --cfg-options'
        )
    return found


def refiner_options(kind: type[Refiner]) -> dict[str, Any]:
    """Options of a refiner and their defaults, without its network; where a constructor passes on
    ``**options``, those of its parents are included.
    """
    options: dict[str, Any] = {}
    for parent in kind.__mro__:
        if '__init__' not in vars(parent):
            continue
        parameters = list(inspect.signature(vars(parent)['__init__']).parameters.values())[1:]
        named = [entry for entry in parameters if entry.kind is not entry.VAR_KEYWORD]
        for entry in named:
            options.setdefault(entry.name, entry.default)
        if len(named) == len(parameters):
            break
    options.pop('network', None)
    return options


def refiners_with(option: str) -> list[str]:
    """Names of the registered refiners that have an option."""
    refiner_class('threshold')  # imports the refiners of the package
    return sorted(
        name for name, kind in REFINERS.module_dict.items() if option in refiner_options(kind)
    )


def build_refiner(
    refiner: dict[str, Any],
    *,
    config: str | Path | Config | None = None,
    checkpoint: str | Path | None = None,
    device: str | torch.device = 'cpu',
) -> Refiner:
    """Build a refiner, including its trained network if it uses one.

    Args:
        refiner: ``dict(type=<registered name>, ...)`` with the options of the refiner.
        config: Config of the network.
        checkpoint: Weights of the network.
        device: Device of the network.

    Returns:
        The refiner, ready for :meth:`Refiner.refine`.

    Raises:
        FileNotFoundError: The config or the checkpoint does not exist.
        ValueError: The refiner or an option is unknown, or the network has another type. The
            message names it.
    """
    kind = refiner_class(refiner['type'])
    options = {name: value for name, value in refiner.items() if name != 'type'}
    _check_options(refiner['type'], kind, options)
    if not kind.uses_network:
        return kind(**options)
    if config is None or checkpoint is None:
        raise ValueError(
            f'--method {refiner["type"]} needs --config and --checkpoint of a trained network'
        )
    options['network'] = init_model(config, str(checkpoint), device)
    try:
        return kind(**options)
    except ValueError as error:
        file = config.filename if isinstance(config, Config) else config
        raise ValueError(f'{file}: --method {refiner["type"]}: {error}') from error


def _check_options(name: str, kind: type[Refiner], options: Iterable[str]) -> None:
    known = refiner_options(kind)
    unknown = sorted(set(options) - set(known))
    if unknown:
        raise ValueError(
            f'the refiner {name} has no option {", ".join(unknown)}; options: '
            f'{", ".join(known) or "none"}'
        )
