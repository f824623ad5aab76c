"""Code that accelerators take gives the numbers of the code that CPUs take."""

import pytest
import torch

from mmwsss.functional.energy import dense_energy
from mmwsss.functional.mixture import histogram
from mmwsss.functional.par import pixel_adaptive_refinement
from mmwsss.functional.permutohedral import build_lattice, filter_lattice
from mmwsss.functional.reactivation import pair_counts

from .emulated_device import DeviceTensor, EmulatedDevice, emulated_device  # noqa: F401
from .small_models import CROP, small_model, training_batch


@pytest.mark.parametrize('dims', [2, 5])
def test_lattice_with_a_row_for_every_possible_vertex(
    dims: int,
    emulated_device: EmulatedDevice,  # noqa: F811
) -> None:
    features, values = 3 * torch.rand(200, dims), torch.rand(200, 4)
    expected = filter_lattice(build_lattice(features), values)
    lattice = build_lattice(DeviceTensor(features))
    result = filter_lattice(lattice, DeviceTensor(values))
    assert len(lattice.splat_offset) == 200 * (dims + 1) + 1
    assert not emulated_device.of('wait'), emulated_device.report('wait')
    torch.testing.assert_close(result.host, expected, rtol=1e-5, atol=1e-6)


def test_features_too_wide_for_the_lattice_give_nan(
    emulated_device: EmulatedDevice,  # noqa: F811
) -> None:
    features = torch.rand(20, 5) * 1e6
    with pytest.raises(ValueError, match='too many for the lattice'):
        build_lattice(features)
    result = filter_lattice(build_lattice(DeviceTensor(features)), DeviceTensor(torch.ones(20, 1)))
    assert result.host.isnan().all()


def test_dense_energy_and_its_gradient(emulated_device: EmulatedDevice) -> None:  # noqa: F811
    scores, gate, images = (
        torch.rand(2, 3, 9, 12),
        torch.rand(2, 9, 12),
        255 * torch.rand(2, 3, 9, 12),
    )
    options = dict(sigma_rgb=15.0, sigma_xy=10.0, kernel='lattice')

    def run(put) -> tuple[torch.Tensor, torch.Tensor]:
        ours = put(scores).requires_grad_()
        value = dense_energy(ours, put(gate), put(images), **options)
        return value.detach(), torch.autograd.grad(value, ours)[0]

    for one, two in zip(run(DeviceTensor), run(torch.clone)):
        torch.testing.assert_close(one.host, two, rtol=1e-5, atol=1e-6)
    assert not emulated_device.of('wait'), emulated_device.report('wait')


def test_refinement_by_shifted_views(emulated_device: EmulatedDevice) -> None:  # noqa: F811
    images, masks = torch.rand(2, 3, 20, 30), torch.rand(2, 4, 20, 30)
    expected = pixel_adaptive_refinement(images, masks)
    result = pixel_adaptive_refinement(DeviceTensor(images), DeviceTensor(masks))
    torch.testing.assert_close(result.host, expected, rtol=1e-5, atol=1e-6)


def test_histogram(emulated_device: EmulatedDevice) -> None:  # noqa: F811
    values = torch.rand(3, 40)
    assert torch.equal(histogram(DeviceTensor(values), 16).host, histogram(values, 16))
    assert not emulated_device.of('wait'), emulated_device.report('wait')


def test_pairs_of_labels_that_are_known_to_be_possible() -> None:
    labels = torch.tensor([[[0, 3, 255], [3, 3, 7]], [[7, 7, 0], [255, 0, 0]]])
    asked, told = pair_counts(labels), pair_counts(labels, names=torch.tensor([0, 3, 5, 7]))
    for name in ('valid', 'positive', 'negative'):
        assert torch.equal(getattr(asked, name), getattr(told, name))
    assert torch.equal(told.one_hot[..., [0, 1, 3]], asked.one_hot)


@pytest.mark.parametrize('name', ['mctformer_plus_voc', 'aream_voc', 'cosa_voc'])
def test_a_training_step_has_the_losses_of_the_host(name: str) -> None:
    def losses(device: EmulatedDevice | None) -> dict[str, float]:
        model = small_model(name).eval()  # no stochastic depth
        if device is not None:
            device.put(model)
        torch.manual_seed(0)
        if hasattr(model, 'update_schedule'):
            model.update_schedule(epoch=20, iteration=15000)
        data = model.data_preprocessor(training_batch(name), True)
        values = model(**data, mode='loss')
        return {key: float(getattr(value, 'host', value)) for key, value in values.items()}

    expected = losses(None)
    with EmulatedDevice() as device:
        assert losses(device) == pytest.approx(expected, rel=1e-4, abs=1e-7)
    assert training_batch(name)['data_samples'][0].img_shape == (CROP, CROP)
