"""Measurement of the effect of loss terms, which distinguishes a defect from a weak effect.

Three questions about a trained network, answered on images with masks.

- Contrast between tokens (MCC Eq. 12, ToCo): how similar are tokens of one label, and of two?
- Consistency of attention (ACR Eq. 1-2): how far is the attention of the mirrored image from the
  mirrored attention, relative to how far attention is from uniform? If it is near 0 without the
  terms, they have no room for improvement.
- Masked views (MCC Eq. 8): what fraction of them counts as negative? At 0 or 1 the contrast has no
  effect.
"""

from statistics import fmean
from typing import Any

import torch
from mmengine.model import BaseModel
from torch import Tensor
from torch.nn import functional as F

from mmwsss.functional.attention import AttentionRequest
from mmwsss.functional.masking import sample_key_masks, visible_object_flags
from mmwsss.models.algorithms import TagClassifier
from mmwsss.models.losses import AttentionConsistencyLoss

IGNORE = 255


class TermEffects:
    """Accumulates the measurements over images; see the module docstring.

    Args:
        model: A classifier on a vision transformer, in evaluation mode.

    Raises:
        ValueError: The model has another type.
    """

    def __init__(self, model: BaseModel) -> None:
        if not isinstance(model, TagClassifier) or not hasattr(model.backbone, 'num_class_tokens'):
            raise ValueError(
                f'{type(model).__name__} is not a classifier on a vision transformer, whose tokens '
                f'and attention are looked at'
            )
        self.model = model
        self.network = model.predictor() if hasattr(model, 'predictor') else model
        self.terms = {
            term: AttentionConsistencyLoss(term=term) for term in ('activation', 'affinity')
        }
        self.values: dict[str, list[float]] = {}

    @torch.no_grad()
    def add(self, data: dict[str, Any]) -> None:
        """Count one image.

        Args:
            data: Collated batch of one image with ``gt_sem_seg`` and ``gt_tags``, of which the
                first view is used.
        """
        data = self.model.data_preprocessor(data, False)
        view, sample = data['inputs'][0], data['data_samples'][0]
        view = self.model.whole_patches(view[None] if isinstance(view, Tensor) else view[0])
        mirrored, features = (
            self.network.backbone(x, attention=dict(all=AttentionRequest('all', reduce='list')))
            for x in (view.flip(-1), view)
        )
        grid = tuple(features.patch_map.shape[-2:])
        for name, loss in self.terms.items():
            self._note(f'consistency/{name}', self._inconsistency(loss, features, mirrored, grid))
        mask = sample.gt_sem_seg.data[0].to(view.device)
        labels = F.interpolate(mask[None, None].float(), grid, mode='nearest-exact')[0, 0].long()
        self._similarities(features.patch_map[0], labels)
        if hasattr(self.model, 'roi'):
            self._masked_views(view, sample)

    def _note(self, name: str, value: float) -> None:
        self.values.setdefault(name, []).append(value)

    @staticmethod
    def _inconsistency(
        loss: AttentionConsistencyLoss, features: Any, mirrored: Any, grid: tuple[int, ...]
    ) -> float:
        """Mean over layers of |A - f^-1 A'|, relative to |A - 1/n|."""
        ratios = []
        num_patches = grid[0] * grid[1]
        for own, other in zip(features.attention['all'], mirrored.attention['all']):
            num_class_tokens = own.shape[-1] - num_patches
            rows = (
                slice(num_class_tokens)
                if loss.term == 'activation'
                else slice(num_class_tokens, None)
            )
            structure = (own[:, rows, num_class_tokens:] - 1 / own.shape[-1]).abs().mean()
            difference = loss(own[:, None], other[:, None], grid, 'hflip')
            ratios.append(float(difference / structure.clamp(min=1e-12)))
        return sum(ratios) / len(ratios)

    def _similarities(self, patch_map: Tensor, labels: Tensor) -> None:
        """Absolute cosine similarity of pairs of tokens."""
        tokens = F.normalize(patch_map.float().flatten(1), dim=0)
        similarity, labels = (tokens.T @ tokens).abs(), labels.flatten()
        known = labels != IGNORE
        pairs = known[:, None] & known[None]
        pairs.fill_diagonal_(False)
        same = labels[:, None] == labels[None]
        for name, chosen in (('one_label', pairs & same), ('two_labels', pairs & ~same)):
            if chosen.any():
                self._note(f'cosine/{name}', float(similarity[chosen].mean()))

    def _masked_views(self, view: Tensor, sample: Any) -> None:
        """Fraction of masked views that are negative; the image itself serves as the local view."""
        model = self.model
        if not hasattr(model, 'mask_ratio'):
            return
        options, tags = model.pseudo_label, model.gt_tags([sample], view)
        maps = model.multi_scale_maps(
            view, model.present_classes(tags), scales=options['scales'], flip=options['flip']
        )
        grid = [side // model.backbone.patch_size for side in view.shape[-2:]]
        grid = [side - side % model.mask_scale for side in grid]
        masks = sample_key_masks(
            1, model.num_masks, grid, scale=model.mask_scale, ratio=model.mask_ratio
        ).to(view.device)
        flags = visible_object_flags(model.roi(grid, maps, tags), masks, model.min_object)
        self._note('masked_views/negative', float(1 - flags.float().mean()))

    def merge(self, values: dict[str, list[float]]) -> None:
        """Add the ``values`` of other images, counted by another process."""
        for name, numbers in values.items():
            self.values.setdefault(name, []).extend(numbers)

    def results(self) -> dict[str, float]:
        """Means over the images, whose order has no influence.

        Returns:
            ``cosine/one_label``, ``cosine/two_labels`` and their difference ``cosine/gap``;
            ``consistency/activation`` and ``consistency/affinity``; for MCC also
                ``masked_views/negative``, a fraction.

        Raises:
            ValueError: No image has been added.
        """
        if not self.values:
            raise ValueError('no image has been added')
        means = {name: fmean(values) for name, values in self.values.items()}
        if {'cosine/one_label', 'cosine/two_labels'} <= set(means):
            means['cosine/gap'] = means['cosine/one_label'] - means['cosine/two_labels']
        return means
