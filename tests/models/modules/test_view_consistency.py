"""Consistency of the attention of two views; training with it is tested with the classifiers."""

import pytest
import torch

from mmwsss.models.losses import AttentionConsistencyLoss
from mmwsss.models.modules import ViewConsistency
from tests.mctformer_golden import samples_with
from tests.models.cams.networks import network

TAGS = [[1, 0, 1, 0], [0, 1, 0, 0]]


def classifier(**consistency):
    return network('ACRClassifier', consistency=consistency, test_cfg={}).train()


def test_terms_and_weights_of_flipped_images():
    """Sums of the losses of both views, and the two terms by layers and their weights."""
    model = classifier(activation_weight=3.0, affinity_weight=2.0)
    images, samples = torch.randn(2, 3, 48, 48), samples_with(TAGS)
    losses = model.loss(images, samples)
    requests = model.consistency.requests()
    first, second = (model.training_features(x, requests) for x in (images, images.flip(-1)))
    tags = torch.tensor(TAGS).float()
    expected = sum(model.classification_losses(view, tags)['loss_cls'] for view in (first, second))
    torch.testing.assert_close(losses['loss_cls'], expected)
    for term, weight in (('activation', 3.0), ('affinity', 2.0)):
        criterion = AttentionConsistencyLoss(term=term)
        layers = [
            criterion(one, two, (3, 3), ['hflip'] * 2)
            for one, two in zip(first.attention[term], second.attention[term])
        ]
        torch.testing.assert_close(
            losses[f'loss_{term}'], weight * sum(layers) / len(layers), rtol=1e-4, atol=1e-6
        )


def test_a_term_of_weight_zero_is_not_asked_for():
    model = classifier(affinity_weight=0)
    assert list(model.consistency.requests()) == ['activation']
    losses = model.loss(torch.randn(2, 3, 48, 48), samples_with(TAGS))
    assert set(losses) == {'loss_cls', 'loss_activation'}


def test_weights_are_scaled_by_the_number_of_patches():
    images, samples = torch.randn(2, 3, 48, 48), samples_with(TAGS)
    plain, scaled = classifier(), classifier(reference_patches=18)
    scaled.load_state_dict(plain.state_dict())
    one, two = (model.loss(images, samples)['loss_activation'] for model in (plain, scaled))
    torch.testing.assert_close(two, one / 2)  # 9 patches, meant for 18


def test_views_of_several_sizes():
    """Two views from the pipeline, one of which has another size: the mean over the images."""
    model = classifier()
    images = torch.randn(2, 3, 48, 48)
    samples = samples_with(TAGS)
    for sample in samples:
        sample.set_metainfo(dict(view='hflip'))
    together = model.loss((images, [image.flip(-1) for image in images]), samples)
    flipped = model.loss(images, samples_with(TAGS))
    for name, value in flipped.items():
        torch.testing.assert_close(together[name], value, rtol=1e-4, atol=1e-6)


def test_what_is_refused():
    with pytest.raises(ValueError, match="a view with 'resize' is made by mmwsss.TwoViews"):
        ViewConsistency(view=('resize', 'hflip'))
    images = torch.randn(2, 3, 48, 48)
    with pytest.raises(ValueError, match='an image: has two views, but'):
        classifier().loss((images, images), samples_with(TAGS))
