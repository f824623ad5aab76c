"""Components of a user: a file outside the package that ``custom_imports`` brings into every tool.

A backbone, a loss of tags, a CAM method, a refiner, a whole single-stage method and a recipe of
pipelines.
"""

import torch
from torch import nn
from torch.nn import functional as F

from mmwsss.apis import recipes, stages
from mmwsss.models.algorithms import SingleStage
from mmwsss.models.backbones.token_vit import TokenFeatures
from mmwsss.models.cams import CAMMethod
from mmwsss.models.refiners import Refiner
from mmwsss.registry import MODELS, RECIPES, REFINERS


@MODELS.register_module()
class OwnBackbone(nn.Module):
    """Two convolutions; the class token is the mean of the patches."""

    patch_size, aux_layer = 8, 0

    def __init__(self, embed_dims):
        super().__init__()
        self.embed_dims = embed_dims
        self.first = nn.Conv2d(3, embed_dims, 8, 8)
        self.second = nn.Conv2d(embed_dims, embed_dims, 3, padding=1)

    def forward(self, x):
        first = self.first(x).relu()
        patches = first + self.second(first)
        return TokenFeatures(
            class_tokens=patches.mean((2, 3))[:, None],
            patch_map=patches,
            class_embeddings=None,
            aux_map=first,
            attention={},
        )


@MODELS.register_module()
class OwnTagLoss(nn.Module):
    """Squared error of the probabilities."""

    def __init__(self, scale):
        super().__init__()
        self.scale = scale

    def forward(self, logits, tags):
        return self.scale * F.mse_loss(logits.float().sigmoid(), tags.float())


@MODELS.register_module()
class OwnCAM(CAMMethod):
    """Length of each patch token, the same for all classes."""

    def maps(self, model, features, keys):
        length = features.patch_map.float().norm(dim=1).flatten(1)
        return length[:, None].expand(-1, len(keys), -1)


@REFINERS.register_module(name='own_refiner')
class OwnRefiner(Refiner):
    """Blurs the maps with a square window."""

    def __init__(self, width=3, **options):
        super().__init__(**options)
        self.width = width

    def refine(self, images, cams, tags, sizes):
        return [
            F.avg_pool2d(self.seeds(maps, size)[None], self.width, 1, self.width // 2)[0]
            for maps, size in zip(cams, sizes)
        ]


@MODELS.register_module()
class OwnSingleStage(SingleStage):
    """The baseline with one more loss: the maps of both classifiers should agree."""

    default_loss_weights = dict(SingleStage.default_loss_weights, agree=0.5)
    uses_cams = (*SingleStage.uses_cams, 'agree')

    def extra_losses(self, views, features, maps, tags):
        if not self.active('agree') or not len(maps.classes):
            return {}
        main, aux = (torch.sigmoid(cams) for cams in self.raw_cams(features, maps.classes))
        return dict(loss_agree=self.loss_weights['agree'] * F.l1_loss(main, aux))


@RECIPES.register_module()
def own_masks(data, *, cams, width):
    """Masks of maps that are there, by the own refiner."""
    options = dict(width=width)
    chain = [
        stages.refine_cams(
            'masks', data, cams, method='own_refiner', background=0.3, options=options
        )
    ]
    return recipes.Recipe(chain, {}, {})
