"""Segment Anything with box and point prompts."""

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from mmwsss.functional.regions import Region
from mmwsss.utils.extras import import_extra

MOST_PROMPTS = 32  # in one batch


class PromptedSAM:
    """A network of transformers that predicts masks from boxes and points: SAM, SAM 2, SAM 3 (its
    tracker), SAM-HQ or EdgeTAM.

    It is loaded when the first mask is requested, in the process and on the device of the image.

    Args:
        source (str): Folder of the network, or its name on the Hugging Face hub:
            ``'facebook/sam-vit-base'``.

    Raises:
        ValueError: transformers is not installed, or the network does not exist.
    """

    def __init__(self, source: str) -> None:
        transformers = import_extra('transformers', 'foundation', 'the refiner sam with a model')
        self.source = str(source)
        self._network: Any = None
        try:
            config = transformers.AutoConfig.from_pretrained(self.source)
        except (OSError, ValueError) as error:
            raise ValueError(
                f'{self.source}: no network of transformers, or it cannot be downloaded '
                f'({str(error).splitlines()[0]})'
            ) from error
        if type(config) not in transformers.MODEL_FOR_MASK_GENERATION_MAPPING:
            raise ValueError(
                f'{self.source}: a {config.model_type}, which predicts no masks from prompts; use '
                f'a SAM, SAM 2 or SAM 3'
            )

    def __getstate__(self) -> dict[str, Any]:
        return dict(self.__dict__, _network=None)  # every worker loads the network itself

    @torch.no_grad()
    def masks(self, image: Tensor, regions: Sequence[Region]) -> Iterator[Tensor]:
        """The best mask of each region, prompted by its box and its peak.

        Args:
            image (Tensor): (3,H,W) uint8 RGB.
            regions (Sequence[Region]): Regions in pixels.

        Yields:
            Tensor: (H,W) bool on the host.
        """
        if not regions:
            return
        model, processor = self._load(image.device)
        pixels = image.permute(1, 2, 0).cpu().numpy()
        embeddings = None
        for start in range(0, len(regions), MOST_PROMPTS):
            part = regions[start : start + MOST_PROMPTS]
            points = [(float(region.peak[1]), float(region.peak[0])) for region in part]
            inputs = processor(
                images=pixels,
                input_points=[[[list(point)] for point in points]],
                input_labels=[[[1] for _ in part]],
                input_boxes=[[_corners(region) for region in part]],
                return_tensors='pt',
            )
            sizes = {k: inputs.pop(k) for k in list(inputs) if k.endswith('_sizes')}
            given = {name: _send(value, image.device) for name, value in inputs.items()}
            if embeddings is None:
                embeddings = model.get_image_embeddings(given['pixel_values'])
            given.pop('pixel_values')
            output = model(image_embeddings=embeddings, multimask_output=True, **given)
            best = output.iou_scores[0].argmax(1)
            logits = output.pred_masks[0].cpu()
            (masks,) = processor.post_process_masks([logits], **sizes)
            yield from masks[torch.arange(len(part)), best.cpu()]

    def _load(self, device: torch.device) -> Any:
        if self._network is None:
            transformers = import_extra('transformers', 'foundation', 'the refiner sam')
            model = transformers.AutoModelForMaskGeneration.from_pretrained(self.source)
            # files of SAM 2 and 3 may name the processor of videos
            name = type(model).__name__.replace('Model', 'Processor')
            kind = getattr(transformers, name, transformers.AutoProcessor)
            processor = kind.from_pretrained(self.source)
            self._network = model.eval().to(device), processor
        return self._network


def _corners(region: Region) -> list[float]:
    top, bottom, left, right = region.box
    return [float(left), float(top), float(right), float(bottom)]


def _send(value: Tensor, device: torch.device) -> Tensor:
    return value.to(device, torch.float32 if value.is_floating_point() else None)
