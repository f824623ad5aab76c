"""Dense energy loss against the released layers."""

import pytest
import torch

from mmwsss.functional.images import denormalize
from mmwsss.models.losses import DenseEnergyLoss
from mmwsss.registry import MODELS
from tests.golden_tensors import golden_tensors

MEAN, STD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)


def run(data, names, **options):
    normalised, logits, labels, boxes = (data[name] for name in names)
    logits = logits.clone().requires_grad_()
    loss = DenseEnergyLoss(1e-7, 15, sigma_xy=100, scale_factor=0.5, **options)(
        logits, denormalize(normalised, MEAN, STD), labels, boxes
    )
    loss.backward()
    return loss.detach(), logits.grad


def test_mcc():
    data = golden_tensors('dense_energy', 'mcc/')
    names = 'img_normalised', 'logit', 'label', 'img_box'
    loss, _ = run(data, names)
    torch.testing.assert_close(loss, data['loss_bruteforce_gaussian'], rtol=1e-5, atol=0)
    loss, gradient = run(data, names, kernel='lattice')
    torch.testing.assert_close(loss, data['loss'][0], rtol=1e-5, atol=0)
    torch.testing.assert_close(gradient, data['loss_grad_logit'], rtol=1e-3, atol=1e-13)


@pytest.mark.parametrize('kernel', ['exact', 'lattice'])
def test_cosa(kernel):
    data = golden_tensors('dense_energy', 'cosa/')
    loss, gradient = run(data, ('img_norm', 'logits', 'label', 'box'), kernel=kernel)
    torch.testing.assert_close(loss, data[f'{kernel}_loss'][0], rtol=1e-5, atol=0)
    torch.testing.assert_close(gradient, data[f'{kernel}_grad'], rtol=1e-3, atol=1e-13)


def inputs(channels=4):
    return (
        torch.randn(2, channels, 8, 10),
        torch.rand(2, 3, 16, 20) * 255,
        torch.randint(0, channels, (2, 16, 20)),
        torch.tensor([[0, 16, 2, 20], [0, 12, 0, 20]]),
    )


def test_weights_multiply():
    arguments = inputs()
    base = DenseEnergyLoss()(*arguments)
    other = MODELS.build(
        dict(type='mmwsss.DenseEnergyLoss', weight=2e-7, gain=0.52, loss_weight=0.05)
    )(*arguments)
    torch.testing.assert_close(other, base * 2 * 0.52 * 0.05)


def test_mean_over_images():
    logits, images, labels, boxes = inputs()
    loss = DenseEnergyLoss()
    single = [
        loss(logits[i : i + 1], images[i : i + 1], labels[i : i + 1], boxes[i : i + 1])
        for i in range(2)
    ]
    torch.testing.assert_close(loss(logits, images, labels, boxes), torch.stack(single).mean())


def test_present_classes_only():
    logits, images, labels, boxes = inputs()
    loss = DenseEnergyLoss()
    torch.testing.assert_close(
        loss(logits, images, labels, boxes, torch.ones(2, 3)), loss(logits, images, labels, boxes)
    )
    logits[:, 2] = -200  # an absent class without any probability
    logits = logits.requires_grad_()
    all_channels = torch.autograd.grad(loss(logits, images, labels, boxes), logits)[0]
    present = torch.autograd.grad(
        loss(logits, images, labels, boxes, torch.tensor([[1, 0, 1], [1, 0, 1]])), logits
    )[0]
    torch.testing.assert_close(present, all_channels, rtol=1e-4, atol=1e-14)


def test_whole_image_without_boxes():
    logits, images, labels, _ = inputs()
    boxes = torch.tensor([[0, 16, 0, 20]] * 2)
    torch.testing.assert_close(
        DenseEnergyLoss()(logits, images, labels), DenseEnergyLoss()(logits, images, labels, boxes)
    )


def test_padding_is_left_alone():
    logits, images, labels, boxes = inputs()
    logits = torch.nn.functional.interpolate(logits, size=(16, 20)).requires_grad_()
    DenseEnergyLoss(scale_factor=1)(logits, images, labels, boxes).backward()
    assert (
        not logits.grad[0, :, :, :2].any()
        and not logits.grad[1, :, 12:].any()
        and logits.grad[1, :, :12].any()
    )


def test_half_precision_is_computed_in_float32():
    logits, images, labels, boxes = inputs()
    half = logits.bfloat16()
    with torch.autocast('cpu', torch.bfloat16):
        loss = DenseEnergyLoss()(half, images, labels, boxes)
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, DenseEnergyLoss()(half.float(), images, labels, boxes))


def test_wrong_arguments():
    with pytest.raises(ValueError, match='must be positive'):
        DenseEnergyLoss(sigma_rgb=0)
    with pytest.raises(ValueError, match="'exact' or 'lattice'"):
        DenseEnergyLoss(kernel='fast')
    logits, images, labels, _ = inputs()
    with pytest.raises(ValueError, match='do not fit images'):
        DenseEnergyLoss()(logits, images, labels[:, :8])
