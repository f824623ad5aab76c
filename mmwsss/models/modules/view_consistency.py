"""Training on two views of each image whose attention has to agree (ACR sections 3.1-3.2)."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from mmengine.logging import print_log
from torch import Tensor, nn

from mmwsss.functional.attention import AttentionRequest
from mmwsss.functional.views import View, make_view, view_steps
from mmwsss.registry import MODELS
from mmwsss.structures import WSSSDataSample

Maps = dict[str, list[Tensor]]  # for each term, the maps of the layers


@MODELS.register_module()
class ViewConsistency(nn.Module):
    """All-pairs consistency regularisation of any classifier with class tokens; both views use the
    same weights and receive gradients.

    ``L = L_cls(image) + L_cls(view) + activation_weight * L_act + affinity_weight * L_aff``, with
    the head mean of the attention of every layer. The attention is computed in blocks and
    recomputed for its gradient, and each layer's maps are dropped as soon as they are compared, so
    no matrix per head and no stack of layers is kept.

    Args:
        activation_weight (float): alpha; 0 switches the term off.
        affinity_weight (float): beta.
        view (str | tuple[str]): View that is computed for a batch without views; :class:`TwoViews`
            in the pipeline makes one per sample.
        reference_patches (int, optional): Number of patches N that the weights are meant for:
            entries of the attention are about 1/N, so the weights are multiplied by N /
            ``reference_patches``, which is logged. None keeps the weights.
        mass_preserving (bool): Option of :class:`AttentionConsistencyLoss` for resized views.
    """

    def __init__(
        self,
        *,
        activation_weight: float = 125.0,
        affinity_weight: float = 125.0,
        view: str | Sequence[str] = 'hflip',
        reference_patches: int | None = None,
        mass_preserving: bool = True,
    ) -> None:
        super().__init__()
        if 'resize' in view_steps(view):
            raise ValueError(
                "a view with 'resize' is made by mmwsss.TwoViews in the training pipeline, not by "
                'the model'
            )
        self.view = view
        self.reference_patches = reference_patches
        self.terms = nn.ModuleDict()
        self.weights = {}
        for term, weight in (('activation', activation_weight), ('affinity', affinity_weight)):
            if weight:
                self.terms[term] = MODELS.build(
                    dict(
                        type='mmwsss.AttentionConsistencyLoss',
                        term=term,
                        mass_preserving=mass_preserving,
                    )
                )
                self.weights[term] = weight
        self._logged: set[tuple[str, int]] = set()

    def loss(
        self, model: Any, inputs: Tensor | Sequence[Any], data_samples: list[WSSSDataSample]
    ) -> dict[str, Tensor]:
        """Losses of a batch.

        Args:
            model (TagClassifier): Classifier with ``training_features`` and
                ``classification_losses``.
            inputs (Tensor | list): (B,3,H,W), or as :class:`ViewsDataPreprocessor` gives two views:
                images (B,3,H,W) and views, (B,3,H',W') or a list of B (3,h,w).
            data_samples (list[WSSSDataSample]): ``gt_tags`` and, with two views, the meta
                information ``view``.

        Returns:
            dict[str, Tensor]: The model's own losses, summed over the views, ``loss_activation``
            and ``loss_affinity``.
        """
        images, others, views = self._pair(model, inputs, data_samples)
        tags = model.gt_tags(data_samples, images)
        requests = self.requests()
        batch = len(images)
        losses: dict[str, Tensor] = {}
        if isinstance(others, Tensor) and others.shape == images.shape:
            features = model.training_features(torch.cat([images, others]), requests)
            # a mean over both views, where a sum is needed
            _add(losses, model.classification_losses(features, tags.repeat(2, 1)), 2)
            grid = features.patch_map.shape[-2:]
            attention = features.attention
            del features
            image_maps = _layers(attention, slice(batch))
            view_maps = _layers(attention, slice(batch, None))
            del attention
            _add(losses, self.differences(image_maps, view_maps, grid, views, grid), 1)
            return losses
        first = model.training_features(images, requests)
        _add(losses, model.classification_losses(first, tags), 1)
        for indices, group in _groups(others):
            second = model.training_features(group, requests)
            share = len(indices) / batch
            _add(losses, model.classification_losses(second, tags[indices]), share)
            differences = self.differences(
                _layers(first.attention, indices),
                _layers(second.attention, slice(None)),
                first.patch_map.shape[-2:],
                [views[index] for index in indices],
                second.patch_map.shape[-2:],
            )
            _add(losses, differences, share)
        return losses

    def requests(self) -> dict[str, AttentionRequest]:
        """The attention that each term compares, by its name."""
        parts = dict(activation='class_to_patch', affinity='patch_to_patch')
        return {term: AttentionRequest(parts[term], reduce='list') for term in self.terms}

    def _pair(
        self, model: Any, inputs: Tensor | Sequence[Any], data_samples: list[WSSSDataSample]
    ) -> tuple[Tensor, Any, list[View]]:
        """Images, their views and the steps of each."""
        if isinstance(inputs, Tensor):
            # a flip would move the padding to the other side
            whole: Tensor = model.whole_patches(inputs)
            return whole, make_view(whole, self.view), [self.view] * len(whole)
        images, others = inputs
        without = next((sample for sample in data_samples if 'view' not in sample.metainfo), None)
        if without is not None:
            raise ValueError(
                f'{without.metainfo.get("img_path", "an image")}: has two views, but the steps of '
                f'the second are unknown; use mmwsss.TwoViews in the training pipeline, and keep '
                f'view among the meta_keys of mmwsss.PackTagInputs'
            )
        return images, others, [sample.metainfo['view'] for sample in data_samples]

    def differences(
        self,
        first: Maps,
        second: Maps,
        grid: Sequence[int],
        views: list[View],
        grid_of_view: Sequence[int],
    ) -> dict[str, Tensor]:
        """Weighted terms of the maps ``{term: [layer, ...]}`` of two views; the lists are emptied,
        so that each layer is freed as soon as it has been compared.
        """
        losses: dict[str, Tensor] = {}
        for term, criterion in self.terms.items():
            ours, theirs = first[term], second[term]
            num_layers, total = len(ours), torch.zeros(())
            while ours:
                total = total + criterion(
                    ours.pop(), theirs.pop(), tuple(grid), views, grid_of_view=tuple(grid_of_view)
                )
            losses[f'loss_{term}'] = self._weight(term, grid) * total / num_layers
        return losses

    def _weight(self, term: str, grid: Sequence[int]) -> float:
        weight, patches = self.weights[term], grid[0] * grid[1]
        if self.reference_patches is None or self.reference_patches == patches:
            return weight
        scaled = weight * patches / self.reference_patches
        if (term, patches) not in self._logged:
            self._logged.add((term, patches))
            print_log(
                f'weight of the {term} consistency: {weight:g} is meant for '
                f'{self.reference_patches} patches, {scaled:g} is used for '
                f'{patches}',
                logger='current',
            )
        return scaled


def _layers(attention: Mapping[str, Any], images: Any) -> Maps:
    """Maps of some images, as a list of layers for each name."""
    chosen = {}
    for name, layers in attention.items():
        chosen[name] = [layer[images] for layer in layers]
    return chosen


def _add(losses: dict[str, Tensor], new: dict[str, Tensor], weight: float) -> None:
    for name, value in new.items():
        losses[name] = losses.get(name, 0.0) + weight * value


def _groups(views: Tensor | Sequence[Tensor]) -> list[tuple[list[int], Tensor]]:
    """Indices of views of the same size, and these views as a batch."""
    if isinstance(views, Tensor):
        return [(list(range(len(views))), views)]
    groups: dict[torch.Size, list[int]] = {}
    for index, view in enumerate(views):
        groups.setdefault(view.shape, []).append(index)
    batches = []
    for indices in groups.values():
        batches.append((indices, torch.stack([views[index] for index in indices])))
    return batches
