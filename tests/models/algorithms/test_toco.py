"""ToCo: local crops."""

import torch

from tests.single_stage_models import build, pictures, samples

TAGS = [[1, 0, 0, 1, 0], [0, 0, 1, 0, 0]]


def test_crops_and_flags():
    model = build('ToCo', num_crops=3, crop_size=24)
    images, tags = pictures(2), torch.tensor(TAGS).float()
    maps = model.multi_scale_maps(images, model.present_classes(tags))
    seen = []
    model.features = lambda crops, features=model.features: seen.append(crops) or features(crops)
    torch.manual_seed(0)
    tokens, flags = model.local_tokens(images, (8, 8), maps, tags)
    assert tokens.shape == (3, 2, 16) and flags.shape == (2, 3) and flags.dtype == torch.bool
    # the crops are found again in the image, and their flags counted anew
    roi, (crops,) = model.roi((64, 64), maps, tags), seen
    assert crops.shape == (6, 3, 24, 24)
    for index, crop in enumerate(crops):
        image, number = divmod(index, 3)
        windows = images[image].unfold(1, 24, 1).unfold(2, 24, 1).permute(1, 2, 0, 3, 4)
        ((y, x),) = (windows == crop).all(-1).all(-1).all(-1).nonzero().tolist()
        assert roi[image, y + 12, x + 12] <= 1
        assert bool(flags[image, number]) == bool(roi[image, y : y + 24, x : x + 24].mean() > 0.2)
    torch.testing.assert_close(tokens[1, 1], model.backbone(crops[4:5]).class_tokens[0, 0])


def test_training_step():
    model = build('ToCo', num_crops=4, crop_size=24)
    losses = model.loss([pictures(2) for _ in range(3)], samples(TAGS))
    sum(losses.values()).backward()
    assert losses['loss_contrast'].isfinite() and model.projector.last_layer.weight.grad.any()
