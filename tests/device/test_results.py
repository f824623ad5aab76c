"""Code that accelerators take gives the numbers of the code that CPUs take."""

from pathlib import Path

import pytest
import torch

from mmwsss.apis.refine import MaskMaker, Seeds
from mmwsss.functional.energy import dense_energy
from mmwsss.functional.mixture import histogram
from mmwsss.functional.par import pixel_adaptive_refinement
from mmwsss.functional.permutohedral import build_lattice, filter_lattice
from mmwsss.functional.reactivation import pair_counts
from mmwsss.models.refiners import CRFRefiner, PARRefiner, ThresholdRefiner

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


REFINERS = dict(
    threshold=(ThresholdRefiner, dict(background=0.4, uncertain=0.1)),
    crf=(CRFRefiner, dict(background=0.4, uncertain=0.1)),
    par_two_pass=(PARRefiner, dict(rule='two_pass')),
    par_eq16=(PARRefiner, dict(rule='eq16')),
    par_argmax=(PARRefiner, dict(rule='argmax')),
)


@pytest.mark.parametrize('name', REFINERS)
def test_refiners(name: str) -> None:
    """Labels are those of the host; the device is not asked on the way to them."""
    kind, options = REFINERS[name]
    y, x = torch.linspace(0, 1, 20)[:, None], torch.linspace(0, 1, 30)
    maps, keys = torch.stack([x * y, (1 - x) * y, x * (1 - y)]), torch.tensor([1, 4, 9])
    image = (255 * maps.flip(0)).to(torch.uint8)
    if name == 'crf':  # the reference on a CPU, the lattice elsewhere
        assert kind(**options).crf.backend_elsewhere == 'torch'
        (expected,) = kind(backend='torch', **options).labels([image], [maps], [keys], [(20, 30)])
    else:
        (expected,) = kind(**options).labels([image], [maps], [keys], [(20, 30)])
    with EmulatedDevice() as device:
        (label,) = kind(**options).labels(
            [DeviceTensor(image)], [DeviceTensor(maps)], [DeviceTensor(keys)], [(20, 30)]
        )
        assert not device.of('wait') and not device.of('mix'), device.report('wait', 'mix')
    assert (label.host != expected).float().mean() < 0.01  # rounding where scores tie
    assert len(expected.unique()) > 1


@pytest.mark.parametrize('name', REFINERS)
def test_masks_of_a_batch_wait_once(name: str, tmp_path: Path) -> None:
    """Several images of one size: as many operations as one, and one copy to the host."""
    kind, options = REFINERS[name]
    maps = torch.rand(4, 2, 12, 16)
    pixels = (255 * torch.rand(4, 3, 12, 16)).to(torch.uint8)
    seeds = [
        Seeds(str(index), image, stack[: 1 + index % 2], torch.arange(1 + index % 2))
        for index, (image, stack) in enumerate(zip(pixels, maps))
    ]
    backend = dict(backend='torch') if name == 'crf' else {}
    expected = MaskMaker(tmp_path, kind(**options, **backend)).labels(seeds)
    launches = []
    with EmulatedDevice() as device:
        for count in (1, 4):
            device.clear()
            labels = MaskMaker(tmp_path, kind(**options), device='meta').labels(seeds[:count])
            assert len(device.of('wait')) == 1, device.report('wait')
            assert not device.of('mix'), device.report('mix')
            launches.append(sum(device.operations.values()))
    for label, host in zip(labels, expected):
        assert (label != host).float().mean() < 0.02  # rounding where scores tie
    assert launches[1] < 2.5 * launches[0] or name == 'threshold'


@pytest.mark.parametrize('name', ['irn_voc', pytest.param('psa_voc', marks=pytest.mark.slow)])
def test_walks(name: str) -> None:
    """The walk itself runs on the host here: this device has no sparse product."""
    model = small_model(name).eval()
    image, maps = torch.randn(3, 64, 72), torch.rand(2, 64, 72)
    expected = model.propagate(image, maps, log2_steps=2)
    with EmulatedDevice() as device:
        scores = device.put(model).propagate(DeviceTensor(image), DeviceTensor(maps), log2_steps=2)
        assert not device.of('mix'), device.report('mix')
    torch.testing.assert_close(scores.host, expected, rtol=1e-4, atol=1e-5)
