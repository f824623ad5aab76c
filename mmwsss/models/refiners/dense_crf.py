"""Dense CRF post-processing of one image."""

import importlib.util
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, TypeVar

import numpy as np
import torch
from mmengine.logging import print_log
from torch import Tensor

from mmwsss.functional.crf import label_probabilities, mean_field, pairwise_kernels, unary_energy
from mmwsss.registry import MODELS
from mmwsss.utils.transfer import send

PRESETS = dict(
    psa=dict(num_iters=10, gauss=(3, 3), bilateral=(80, 13, 10)),
    irn=dict(num_iters=10, gauss=(3, 3), bilateral=(50, 5, 10)),
    mct_test=dict(num_iters=10, gauss=(4, 3), bilateral=(83, 5, 3)),
    ssc_test=dict(num_iters=1, gauss=(3, 3), bilateral=(32, 13, 10)),
    toco_test=dict(num_iters=10, gauss=(1, 1), bilateral=(121, 5, 4)),
    cosa_test=dict(num_iters=1, gauss=(1, 1), bilateral=(121, 5, 4)),
    toco_cam=dict(num_iters=10, gauss=(3, 3), bilateral=(36, 3, 4)),
    deeplabv2_test=dict(num_iters=10, gauss=(1, 3), bilateral=(67, 3, 4)),
)
_BACKENDS = ('auto', 'pydensecrf', 'torch', 'torch_exact')
ScoreMap = TypeVar('ScoreMap', np.ndarray, Tensor)


@MODELS.register_module()
class DenseCRF:
    """Fully connected CRF: ``(image uint8 RGB (H,W,3), probs (K,H,W)) -> (K,H,W)``.

    The unary is ``-log(clip(p, 1e-5, 1))``, the compatibility is Potts, and the kernels are
    Gaussian and bilateral; inference is by mean field (Kraehenbuehl and Koltun, NIPS 2011). The
    channels need not sum to 1. Leaving out channels of absent classes saves time and changes no
    label (marginals move by about 1e-4).

    Backends: ``'pydensecrf'`` is the reference and runs on one CPU core. ``'torch'`` runs the same
    algorithm (permutohedral lattice) in PyTorch on the device of ``probs``: it gives the same
    labels and is 1.3-2 times slower on a CPU core. ``'torch_exact'`` sums over all pairs of pixels,
    which is quadratic and meant for small images or a GPU (375 x 500 pixels take minutes on a CPU);
    about 0.2 % of the labels differ from the lattice. ``'auto'`` selects ``'torch'`` on an
    accelerator, and on a CPU where pydensecrf is not installed.

    Args:
        preset (str, optional): Published settings: ``psa`` (PSA, SEAM, MCTformer, ACR), ``irn``,
            ``mct_test``, ``ssc_test`` (SEAM), ``toco_test`` (ToCo, MCC), ``cosa_test``,
            ``toco_cam``, ``deeplabv2_test``.
        num_iters (int, optional): Number of mean-field iterations; like the next two options it
            overrides the preset and is required without one.
        gauss (tuple, optional): (sxy in pixels, compat) of the smoothness kernel.
        bilateral (tuple, optional): (sxy in pixels, srgb in grey levels, compat) of the appearance
            kernel.
        prune (float, optional): Leave out channels whose score is below this at every pixel (they
            become 0; e.g. 1e-4 of a softmax over 81 classes): time is linear in the channels. This
            is an approximation: use None for reported numbers.
        backend (str): See above.
    """

    def __init__(
        self,
        preset: str | None = None,
        num_iters: int | None = None,
        *,
        gauss: Sequence[float] | None = None,
        bilateral: Sequence[float] | None = None,
        prune: float | None = None,
        backend: str = 'auto',
    ) -> None:
        if preset is not None and preset not in PRESETS:
            raise ValueError(f'preset {preset!r} is unknown, choose one of {", ".join(PRESETS)}')
        if backend not in _BACKENDS:
            raise ValueError(
                f'backend {backend!r} is unknown, choose one of {", ".join(_BACKENDS)}'
            )
        given = dict(num_iters=num_iters, gauss=gauss, bilateral=bilateral)
        values: dict[str, Any] = {} if preset is None else dict(PRESETS[preset])
        values.update({key: value for key, value in given.items() if value is not None})
        missing = [key for key in ('num_iters', 'gauss', 'bilateral') if key not in values]
        if missing:
            raise ValueError(f'DenseCRF needs a preset or values for {", ".join(missing)}')
        if len(values['gauss']) != 2 or len(values['bilateral']) != 3:
            raise ValueError(
                f'gauss is (sxy, compat) and bilateral (sxy, srgb, compat), got {values["gauss"]} '
                f'and {values["bilateral"]}'
            )
        self.num_iters = int(values['num_iters'])
        self.gauss, self.bilateral = tuple(values['gauss']), tuple(values['bilateral'])
        if prune is not None and not 0 <= prune < 1:
            raise ValueError(f'prune is a score in [0, 1) or None, got {prune}')
        self.prune = prune
        self.backend = _default_backend() if backend == 'auto' else backend
        self.backend_elsewhere = 'torch' if backend == 'auto' else backend  # outside CPUs

    def __call__(self, image: np.ndarray | Tensor, probs: ScoreMap) -> ScoreMap:
        """Refine one score map.

        Args:
            image (np.ndarray | Tensor): (H,W,3) uint8 RGB.
            probs (np.ndarray | Tensor): (K,H,W) in [0,1].

        Returns:
            (K,H,W) float32 marginals, of the type (and on the device) of ``probs``.
        """
        return self.refine_many(image, [probs])[0]

    def refine_many(self, image: np.ndarray | Tensor, probs: Sequence[Any]) -> list[Any]:
        """Refine several score maps of one image; its kernels are built once, and the results are
        identical to those of separate calls.

        Args:
            image (np.ndarray | Tensor): (H,W,3) uint8 RGB.
            probs (list): Score maps (K,H,W); K may differ.

        Returns:
            list: Marginals in the order of ``probs``.
        """
        _check_image(image)
        for item in probs:
            if item.ndim != 3 or tuple(item.shape[1:]) != tuple(image.shape[:2]):
                raise ValueError(
                    f'probs of shape {tuple(item.shape)} do not fit an image of {image.shape[0]} '
                    f'x {image.shape[1]} pixels: expected (K,H,W)'
                )
        kept = [_strong_channels(item, self.prune) for item in probs]
        if self.prune is not None:
            probs = [
                item if channels is None else item[channels] for item, channels in zip(probs, kept)
            ]
        on_cpu = all(isinstance(item, np.ndarray) or item.device.type == 'cpu' for item in probs)
        backend = self.backend if on_cpu else self.backend_elsewhere
        refine = self._refine_pydensecrf if backend == 'pydensecrf' else self._refine_torch
        results = iter(refine(image, [item for item in probs if _has_several_labels(item)]))
        refined = [
            next(results) if _has_several_labels(item) else _ones_like(item) for item in probs
        ]
        if self.prune is None:
            return refined
        return [_all_channels(item, channels) for item, channels in zip(refined, kept)]

    def refine_batch(
        self, images: Tensor, probs: Sequence[Tensor], counts: Sequence[int]
    ) -> list[Tensor]:
        """Refine score maps of several images of the same size.

        Where the lattice runs in PyTorch, all images are filtered together with as many operations
        as one image. Otherwise they are processed one by one.

        Args:
            images (Tensor): (B,H,W,3) uint8 RGB.
            probs (list[Tensor]): Score maps (B,K,H,W); only the first ``counts[b]`` channels of
                image b count.
            counts (Sequence[int]): Number of labels of each image.

        Returns:
            list[Tensor]: Marginals in the order of ``probs``, 0 in channels that do not count.
        """
        backend = self.backend if probs[0].device.type == 'cpu' else self.backend_elsewhere
        if backend == 'torch' and self.prune is None and len(images) > 1:
            _check_image(images[0])
            return self._refine_together(images, probs, counts)
        refined = [torch.zeros_like(item, dtype=torch.float32) for item in probs]
        for index, (image, count) in enumerate(zip(images, counts, strict=True)):
            results = self.refine_many(image, [item[index, :count] for item in probs])
            for target, result in zip(refined, results, strict=True):
                target[index, :count] = result
        return refined

    @staticmethod
    def from_labels(labels: ScoreMap, num_labels: int, gt_prob: float = 0.7) -> ScoreMap:
        """Score map (K,H,W) of a hard label map (H,W), for :meth:`__call__`; an array gives an
        array (IRN: preset ``irn``).
        """
        result = label_probabilities(torch.as_tensor(labels), num_labels, gt_prob)
        return result if isinstance(labels, torch.Tensor) else result.numpy()

    def _refine_pydensecrf(self, image: np.ndarray | Tensor, probs: Sequence[Any]) -> list[Any]:
        from pydensecrf.densecrf import DenseCRF2D

        height, width = image.shape[:2]
        pixels = image.detach().cpu().numpy() if isinstance(image, Tensor) else image
        pixels = np.array(pixels, order='C')  # pydensecrf requires a contiguous, writable array
        results: list[Any] = []
        crf: Any = None
        channels = -1
        for item in probs:
            energy = unary_energy(torch.as_tensor(item).detach()).flatten(1).cpu().numpy()
            # the number of labels is fixed at construction; everything else is shared
            if channels != len(energy):
                channels = len(energy)
                crf = DenseCRF2D(width, height, channels)
                crf.addPairwiseGaussian(sxy=self.gauss[0], compat=self.gauss[1])
                crf.addPairwiseBilateral(
                    sxy=self.bilateral[0],
                    srgb=self.bilateral[1],
                    rgbim=pixels,
                    compat=self.bilateral[2],
                )
            crf.setUnaryEnergy(np.ascontiguousarray(energy))
            result = np.array(crf.inference(self.num_iters), np.float32).reshape(
                channels, height, width
            )
            results.append(
                torch.from_numpy(result).to(item.device)
                if isinstance(item, torch.Tensor)
                else result
            )
        return results

    def _refine_torch(self, image: np.ndarray | Tensor, probs: Sequence[Any]) -> list[Any]:
        results: list[Any] = []
        kernels, device = None, None
        for item in probs:
            tensor = torch.as_tensor(item).detach()
            if kernels is None or device != tensor.device:
                device = tensor.device
                kernels = pairwise_kernels(
                    send(_as_tensor(image), device),
                    self.gauss,
                    self.bilateral,
                    exact=self.backend == 'torch_exact',
                )
            result = mean_field(unary_energy(tensor), kernels, self.num_iters)
            results.append(result if isinstance(item, torch.Tensor) else result.numpy())
        return results

    def _refine_together(
        self, images: Tensor, probs: Sequence[Tensor], counts: Sequence[int]
    ) -> list[Tensor]:
        device = probs[0].device
        kernels = pairwise_kernels(send(images, device), self.gauss, self.bilateral)
        numbers = torch.arange(probs[0].shape[1]).expand(len(counts), -1)
        absent = send(numbers >= torch.tensor(counts)[:, None], device)[:, :, None, None]
        return [
            mean_field(unary_energy(item).masked_fill(absent, torch.inf), kernels, self.num_iters)
            for item in probs
        ]

    def __repr__(self) -> str:
        return (
            f'{type(self).__name__}(num_iters={self.num_iters}, gauss={self.gauss}, '
            f'bilateral={self.bilateral}, '
            f'backend={self.backend!r})'
        )


@lru_cache(maxsize=1)
def _default_backend() -> str:
    if importlib.util.find_spec('pydensecrf') is not None:
        return 'pydensecrf'
    print_log(
        'pydensecrf is not installed: dense CRFs run in PyTorch, with the same labels (pip '
        'install pydensecrf2 for the reference)',
        logger='current',
    )
    return 'torch'


def _check_image(image: Tensor | np.ndarray) -> None:
    """Reject input that is not an (H,W,3) uint8 image."""
    if str(image.dtype) not in ('uint8', 'torch.uint8'):
        raise TypeError(
            f'the dense CRF needs the decoded uint8 RGB image, got {image.dtype}: its colour '
            f'scale is in grey levels 0..255'
        )
    if image.ndim != 3 or image.shape[2] != 3 or 0 in image.shape:
        raise ValueError(
            f'the dense CRF needs an RGB image of shape (H,W,3), got {tuple(image.shape)}'
        )


def _as_tensor(image: Tensor | np.ndarray) -> Tensor:
    """The image as a tensor; an array is copied, because it may be a view."""
    if isinstance(image, Tensor):
        return image.detach()
    return torch.from_numpy(np.array(image, order='C'))


def _strong_channels(probs: Any, limit: float | None) -> Any:
    """Mask (K,) of the channels that reach ``limit`` somewhere; if none does, only the strongest
    one is kept.
    """
    if limit is None or not len(probs):
        return None
    peaks = probs.reshape(len(probs), -1).max(1)
    peaks = peaks if isinstance(probs, np.ndarray) else peaks.values
    return peaks >= min(limit, float(peaks.max()))


def _all_channels(refined: Any, channels: Any) -> Any:
    """Insert zeros for pruned channels."""
    if channels is None:
        return refined
    shape = (len(channels), *refined.shape[1:])
    result = (
        np.zeros(shape, np.float32) if isinstance(refined, np.ndarray) else refined.new_zeros(shape)
    )
    result[channels] = refined
    return result


def _has_several_labels(probs: Tensor | np.ndarray) -> bool:
    """Whether there is a choice of label: at least two channels."""
    return len(probs) > 1


def _ones_like(probs: Any) -> Any:
    return (
        torch.ones_like(probs, dtype=torch.float32)
        if isinstance(probs, torch.Tensor)
        else np.ones(probs.shape, np.float32)
    )
