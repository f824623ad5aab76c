"""Analysis of the attention of the layers of a classifier: over-smoothing, layer by layer (AReAM,
Figures 1, 3, 6, 7 and Table III).
"""

from collections.abc import Iterator, Sequence
from statistics import fmean, pstdev
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from mmwsss.functional.attention import AttentionRequest, DeferredAttention
from mmwsss.functional.cam import minmax_normalize
from mmwsss.functional.pseudo_labels import IGNORE
from mmwsss.functional.reactivation import (
    attended_tokens,
    hellinger_statistics,
    layer_entropy,
    layer_weights,
    reactivated_cams,
    refine_by_layer,
)
from mmwsss.functional.thresholds import (
    curves_from_counts,
    make_thresholds,
    select_threshold,
    sweep_counts,
)

THRESHOLDS = tuple(step / 100 for step in range(100))


Rows = list[list[float]]  # for each image, a value per layer


class ImageLayers(NamedTuple):
    """Result of :meth:`LayerAnalysis.add` for one image, on its grid of patches.

    Attributes:
        cams (Tensor): (K,h,w) in [0,1], not refined.
        keys (list[int]): K class ids.
        attended (Tensor): (L,h,w) attention that each patch receives in each layer.
        affinity (list[Tensor]): (N,N) affinity of the requested layers.
    """

    cams: torch.Tensor
    keys: list
    attended: torch.Tensor
    affinity: list


class LayerCounts(NamedTuple):
    """State of a :class:`LayerAnalysis`.

    Attributes:
        num_images (int): Images that were added.
        statistics (dict): Rows of each statistic.
        counts (dict): Counts of the threshold sweep of each kind of maps.
    """

    num_images: int
    statistics: dict[str, Rows]
    counts: dict[str, torch.Tensor]


class LayerAnalysis:
    """Statistics of the patch affinity P of every layer, accumulated over images.

    Per layer: Hellinger distance of the rows of P (Eq. 6), entropy of the map that the layer
    refines (Eq. 8), mIoU of that map and of the map refined by the mean of the first layers, and
    the share of the attention that falls on the foreground, of all patches, of patches on objects
    and of patches on the background. For the whole network: mIoU of the map that is not refined,
    refined by the mean of all layers, and by the weighted sum (Eq. 12).

    Two of these distinguish weak attention from a defect. If background patches attend to objects
    as much as object patches do, attention is not local, and refinement with it cannot help. The
    ground truth, refined in the same way, shows how much of a perfect map a layer preserves.

    Args:
        model (TagClassifier): Model in evaluation mode, with a :class:`TokenViT` or another
            backbone that accepts attention requests.
        class_names (Sequence[str]): Background first.
        mode (str): Affinity of the refinement, see :meth:`DeferredAttention.affinity`.
        hellinger_mode (str): Affinity of the Hellinger distance; by default its rows sum to 1, as
            the distance requires.
        form (str): Entropy, ``'max'`` or ``'sum'`` (version 1, of the patch head's signed maps
            alone); see :func:`layer_entropy`.
        size (tuple[int], optional): (H,W) that images are resized to without keeping the aspect
            ratio; None keeps their size.
        thresholds (Sequence[float]): Background thresholds, of which the best one is reported.

    Raises:
        ValueError: The model does not meet these requirements.
    """

    def __init__(
        self,
        model: Any,
        class_names: Sequence[str],
        *,
        mode: str = 'softmax_all',
        hellinger_mode: str = 'softmax_patch',
        form: str = 'max',
        size: Sequence[int] | None = None,
        thresholds: Sequence[float] = THRESHOLDS,
    ) -> None:
        if not hasattr(model, 'grid_maps') or not hasattr(model.backbone, 'num_class_tokens'):
            raise ValueError(
                f'{type(model).__name__} is not a classifier on a vision transformer, which the '
                f'analysis of its attention needs'
            )
        if form == 'sum' and getattr(model, 'patch_head', None) is None:
            raise ValueError(
                f"{type(model).__name__} has no patch head, whose maps the entropy of form 'sum' "
                f'is of'
            )
        self.model = model
        # the network of CoSA that predicts
        self.network = model.predictor() if hasattr(model, 'predictor') else model
        self.size = size
        self.class_names = tuple(class_names)
        self.mode, self.hellinger_mode, self.form = mode, hellinger_mode, form
        self.limits = make_thresholds(thresholds)
        self.num_layers = model.backbone.num_layers
        self.num_images = 0
        self._statistics: dict[str, Rows] = {
            name: []
            for name in (
                'hellinger',
                'spread',
                'entropy',
                'gap',
                'w_hat',
                'share',
                'area',
                'from_object',
                'from_background',
            )
        }
        self._counts: dict[str, Tensor] = {}

    @torch.no_grad()
    def add(self, data: dict[str, Any], layers: Sequence[int] = ()) -> ImageLayers:
        """Count one image.

        Args:
            data (dict): Collated batch of one image, of which the first view is used, without flip.
                Classes are those of ``gt_tags``; statistics that need a mask are left out where
                ``gt_sem_seg`` is missing.
            layers (Sequence[int]): Layers whose affinity is returned.

        Returns:
            ImageLayers
        """
        data = self.model.data_preprocessor(data, False)
        view, sample = data['inputs'][0], data['data_samples'][0]
        view = view[None] if isinstance(view, torch.Tensor) else view[0]
        if self.size is not None:
            view = F.interpolate(
                view, self.size, mode='bilinear', align_corners=False, antialias=True
            )
        keys = self.model.gt_tags([sample], view)[0].nonzero().flatten().tolist()
        features = self.network.backbone(
            view, attention={'layers': AttentionRequest('all', kind='deferred')}
        )
        grid, attention = features.patch_map.shape[-2:], features.attention['layers']
        maps = self._maps(view, keys, grid)
        cams = minmax_normalize(maps)
        refined = refine_by_layer(attention, cams, self.mode)  # (1,L,K,h,w)
        attended = self._read_attention(attention, grid)
        self._read_entropy(features, refined, keys)
        if 'gt_sem_seg' in sample:
            mask = sample.gt_sem_seg.data[0].to(view.device)
            _, weights = layer_weights(layer_entropy(refined))
            variants = dict(self._refinements(refine_by_layer(attention, maps, self.mode)))
            self._count_maps(
                mask,
                view.shape[-2:],
                keys,
                dict(variants, unrefined=maps, reactivated=reactivated_cams(refined, weights)),
            )
            self._read_foreground(mask, view.shape[-2:], attended)
            objects = self._on_grid(mask > 0, mask != IGNORE, view.shape[-2:], grid)
            self._read_queries(attention, objects)
            self._count_truth(mask, view.shape[-2:], keys, attention, grid)
        self.num_images += 1
        return ImageLayers(
            cams[0], keys, attended, [attention[layer].affinity(self.mode)[0] for layer in layers]
        )

    def _maps(self, view: Tensor, keys: Sequence[int], grid: Sequence[int]) -> Tensor:
        """Maps (1,K,h,w) of the model, not refined."""
        if not keys:
            return view.new_zeros(1, 0, *grid)
        saved = self.network.test_cfg
        self.network.test_cfg = dict(saved, refine=False)
        try:
            return self.network.grid_maps(view, keys)
        finally:
            self.network.test_cfg = saved

    def _read_attention(
        self, attention: Sequence[DeferredAttention], grid: Sequence[int]
    ) -> Tensor:
        """Hellinger statistics of every layer; returns attended patches (L,h,w)."""
        attended, means, deviations = [], [], []
        for layer in attention:
            attended.append(attended_tokens(layer.affinity(self.mode))[0].view(grid))
            mean, deviation = hellinger_statistics(layer.affinity(self.hellinger_mode))
            means.append(float(mean))
            deviations.append(float(deviation))
        self._statistics['hellinger'].append(means)
        self._statistics['spread'].append(deviations)
        return torch.stack(attended)

    def _read_entropy(self, features: Any, refined: Tensor, keys: Sequence[int]) -> None:
        """Entropy and weight of every layer; an image without tags is left out."""
        if not keys:
            return
        if self.form == 'sum':
            head = self.network.patch_head(features.patch_map)[:, keys]
            refined = refine_by_layer(features.attention['layers'], head.float(), self.mode)
        entropy = layer_entropy(refined, self.form)
        self._statistics['entropy'].append(entropy[0].tolist())
        flat = layer_entropy(torch.zeros_like(refined[:, :1]), self.form)
        self._statistics['gap'].append((flat - entropy)[0].tolist())
        self._statistics['w_hat'].append(layer_weights(entropy)[0][0].tolist())

    def _refinements(self, refined: Tensor) -> Iterator[tuple[str, Tensor]]:
        """Maps refined by each layer alone, and by the mean of the first ones; not normalised
        before, as in the network at test time.
        """
        total = refined.cumsum(1)
        for layer in range(self.num_layers):
            yield f'layer_{layer + 1}', refined[:, layer]
            yield f'first_{layer + 1}', total[:, layer]

    def _count_maps(
        self,
        mask: Tensor,
        view_size: Sequence[int],
        keys: Sequence[int],
        variants: dict[str, Tensor],
    ) -> None:
        """Counts of the threshold sweep of each kind of maps."""
        size = tuple(mask.shape)
        for name, maps in variants.items():
            maps = (
                minmax_normalize(self.network.to_image_size(maps, view_size, size)[0])
                if keys
                else maps.new_zeros(0, *size)
            )
            counts = sweep_counts(maps, keys, mask, self.limits, len(self.class_names)).cpu()
            self._add_counts(name, counts)

    def _read_foreground(self, mask: Tensor, view_size: Sequence[int], attended: Tensor) -> None:
        """Share of the attention on the foreground, and of the foreground in the image."""
        known, foreground = mask != IGNORE, (mask != IGNORE) & (mask > 0)
        if foreground.any():
            heat = self.network.to_image_size(attended[None], view_size, tuple(mask.shape))[0]
            self._statistics['share'].append(
                ((heat * foreground).sum((1, 2)) / (heat * known).sum((1, 2))).tolist()
            )
            self._statistics['area'].append([float(foreground.sum() / known.sum())])

    def _on_grid(
        self, chosen: torch.Tensor, known: torch.Tensor, view_size: Sequence[int], grid: torch.Size
    ) -> torch.Tensor:
        """Fraction of ``chosen`` pixels (H,W) among the labelled ones of each patch, (h,w); 0 where
        a patch lies outside the image.
        """
        patch, sides = self.network.backbone.patch_size, known.shape
        covered = [
            round(cells * patch * side / view_side)
            for cells, side, view_side in zip(grid, sides, view_size)
        ]
        missing = [max(0, cover - side) for cover, side in zip(covered, sides)]
        both = torch.stack([chosen & known, known]).float()
        both = F.pad(both, (0, missing[1], 0, missing[0]))[..., : covered[0], : covered[1]]
        part, whole = F.adaptive_avg_pool2d(both, (grid[0], grid[1]))
        return torch.where(whole > 0, part / whole.clamp(min=1e-12), torch.zeros_like(part))

    def _read_queries(self, attention: Sequence[DeferredAttention], objects: torch.Tensor) -> None:
        """Attention to objects from the patches that objects cover by at least half, and from the
        others.
        """
        on_object = objects.flatten() >= 0.5
        if not on_object.any() or on_object.all():
            return
        shares = []
        for layer in attention:
            affinity = layer.affinity(self.mode)[0]
            shares.append(affinity[:, on_object].sum(1) / affinity.sum(1))
        for name, queries in (('from_object', on_object), ('from_background', ~on_object)):
            self._statistics[name].append([float(share[queries].mean()) for share in shares])

    def _count_truth(
        self,
        mask: torch.Tensor,
        view_size: Sequence[int],
        keys: Sequence[int],
        attention: Sequence[DeferredAttention],
        grid: torch.Size,
    ) -> None:
        """Counts of the ground truth on the grid as maps, unchanged and refined."""
        known = mask != IGNORE
        truth = [self._on_grid(mask == key + 1, known, view_size, grid) for key in keys]
        maps = torch.stack(truth)[None] if keys else mask.new_zeros(1, 0, *grid).float()
        refined = self._refinements(refine_by_layer(attention, maps, self.mode))
        variants = {f'truth_{name}': item for name, item in refined}
        self._count_maps(mask, view_size, keys, dict(variants, truth_unrefined=maps))

    def state(self) -> LayerCounts:
        """What has been counted, for :meth:`merge` in another process."""
        return LayerCounts(self.num_images, self._statistics, self._counts)

    def merge(self, other: LayerCounts) -> None:
        """Add the :meth:`state` of other images, counted by another process."""
        self.num_images += other.num_images
        for name, rows in other.statistics.items():
            self._statistics[name].extend(rows)
        for name, counts in other.counts.items():
            self._add_counts(name, counts)

    def _add_counts(self, name: str, counts: Tensor) -> None:
        self._counts[name] = self._counts[name] + counts if name in self._counts else counts

    def results(self) -> dict[str, Any]:
        """All statistics as plain numbers; the order of the images has no influence.

        Returns:
            dict: Values are None if no image had a mask or tags.

            - ``layers``: a dict per layer: ``layer`` from 1; ``hellinger`` (mean over images of the
              mean over pairs of rows), ``hellinger_std`` (over images), ``hellinger_spread`` (over
              pairs, mean over images); ``entropy``, ``entropy_gap`` (difference to the entropy of a
              flat map, which depends on the size of the image), ``entropy_gap_std`` (over images);
              ``w_hat`` (mean of the weights of each image); ``attended_foreground`` (mean share in
              [0,1]); ``object_to_object`` and ``background_to_object`` (share of the attention of
              patches on objects, and on the background, that falls on objects); ``cam_mIoU``,
              ``cam_threshold`` of the map refined by this layer alone, ``first_mIoU``,
              ``first_threshold`` by the mean of the layers up to it, in percent; ``truth_mIoU`` of
              the ground truth refined by this layer.
            - ``maps``: mIoU and threshold of ``unrefined``, ``mean`` and ``reactivated`` maps, and
              of the ground truth on the grid: ``truth_unrefined``, ``truth_mean``.
            - ``w_hat``: the mean entropies stretched to [0,1] over the layers.
            - ``foreground_area``: mean share of the foreground in an image; ``num_images``.

        Raises:
            ValueError: No image has been added.
        """
        if not self.num_images:
            raise ValueError('no image has been analysed')
        mean = {name: _mean(rows) for name, rows in self._statistics.items()}
        deviation = {name: _deviation(rows) for name, rows in self._statistics.items()}
        quality = {name: self._quality(counts) for name, counts in self._counts.items()}
        unknown = (None, None)
        layers = []
        for index in range(self.num_layers):
            miou, first, truth = (
                quality.get(f'{kind}_{index + 1}', unknown)
                for kind in ('layer', 'first', 'truth_layer')
            )
            layers.append(
                dict(
                    _layer_statistics(index, mean, deviation),
                    **dict(zip(('cam_mIoU', 'cam_threshold'), miou)),
                    **dict(zip(('first_mIoU', 'first_threshold'), first)),
                    truth_mIoU=truth[0],
                )
            )
        names = dict(
            unrefined='unrefined',
            mean=f'first_{self.num_layers}',
            reactivated='reactivated',
            truth_unrefined='truth_unrefined',
            truth_mean=f'truth_first_{self.num_layers}',
        )
        maps = {
            name: dict(zip(('mIoU', 'threshold'), quality.get(key, unknown)))
            for name, key in names.items()
        }
        w_hat = None
        if mean['entropy'] is not None:
            w_hat = layer_weights(torch.tensor([mean['entropy']], dtype=torch.float64))[0][
                0
            ].tolist()
        return dict(
            layers=layers,
            maps=maps,
            w_hat=w_hat,
            foreground_area=_at(mean['area'], 0),
            num_images=self.num_images,
        )

    def _quality(self, counts: Tensor) -> tuple[float, float]:
        """Best mIoU in percent, and its threshold."""
        curves = curves_from_counts(counts)
        index = select_threshold(curves.miou)
        return 100 * float(curves.miou[index]), round(float(self.limits[index]), 6)


def _mean(rows: Rows) -> list[float] | None:
    return [fmean(column) for column in zip(*rows)] if rows else None


def _deviation(rows: Rows) -> list[float] | None:
    return [pstdev(column) for column in zip(*rows)] if rows else None


def _layer_statistics(
    index: int,
    mean: dict[str, list[float] | None],
    deviation: dict[str, list[float] | None],
) -> dict[str, Any]:
    """Numbers of a layer that do not depend on a mask of the classes."""
    return dict(
        layer=index + 1,
        hellinger=_at(mean['hellinger'], index),
        hellinger_std=_at(deviation['hellinger'], index),
        hellinger_spread=_at(mean['spread'], index),
        entropy=_at(mean['entropy'], index),
        entropy_gap=_at(mean['gap'], index),
        entropy_gap_std=_at(deviation['gap'], index),
        w_hat=_at(mean['w_hat'], index),
        attended_foreground=_at(mean['share'], index),
        object_to_object=_at(mean['from_object'], index),
        background_to_object=_at(mean['from_background'], index),
    )


def _at(values: list[float] | None, index: int) -> float | None:
    return None if values is None else values[index]
