"""Small affinity networks with random weights."""

import mmwsss.models  # noqa: F401  registers the components
from mmwsss.registry import MODELS

OPTIONS = dict(
    AffinityNet=dict(out_indices=(2, 3, 4), embed_channels=(4, 6, 8)), IRNet=dict(edge_channels=8)
)


def affinity_network(name):
    """``AffinityNet`` or ``IRNet`` on a tiny trunk, in evaluation mode."""
    trunk = dict(
        type='mmwsss.PyramidResNet',
        depth=18,
        base_channels=4,
        stem_channels=4,
        frozen_stages=-1,
    )
    return MODELS.build(
        dict(
            type=f'mmwsss.{name}',
            backbone=trunk,
            data_preprocessor=dict(type='mmwsss.ViewsDataPreprocessor'),
            **OPTIONS[name],
        )
    ).eval()


def normalised(network, image):
    """Image (3,H,W) RGB as the network sees it."""
    preprocessor = network.data_preprocessor
    return (image - preprocessor.mean) / preprocessor.std
