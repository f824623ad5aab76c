"""Dense CRF of one image, with each backend."""

import importlib.util

import numpy as np
import pytest
import torch

from benchmarks.textbook.crf import crf_of_alphas
from mmwsss.functional.crf import background_alpha
from mmwsss.models.refiners import DenseCRF, dense_crf
from mmwsss.models.refiners.dense_crf import PRESETS
from mmwsss.registry import MODELS
from tests.golden_tensors import golden_tensors

HAS_PYDENSECRF = importlib.util.find_spec('pydensecrf') is not None
reference = pytest.param(
    'pydensecrf', marks=pytest.mark.skipif(not HAS_PYDENSECRF, reason='pydensecrf is not installed')
)
LATTICE = [reference, 'torch']
ALL = [*LATTICE, 'torch_exact']


@pytest.mark.parametrize('backend', LATTICE)
def test_presets(backend):
    data = golden_tensors('crf')
    image, probs = data['image'].numpy(), data['prob'].numpy()
    for preset, name in (
        ('toco_test', 'Q_toco_test'),
        ('cosa_test', 'Q_cosa_test'),
        ('deeplabv2_test', 'Q_deeplabv2'),
    ):
        np.testing.assert_allclose(
            DenseCRF(preset, backend=backend)(image, probs), data[name].numpy(), rtol=0, atol=1e-4
        )
    hard = DenseCRF.from_labels(data['irn_in'].numpy(), 3, 0.7)
    np.testing.assert_allclose(
        DenseCRF('irn', backend=backend)(image, hard), data['Q_irn'].numpy(), rtol=0, atol=1e-4
    )


@pytest.mark.parametrize('backend', LATTICE)
def test_evaluation_of_cosa(backend):
    data = golden_tensors('crf', 'cosa/')
    marginals = DenseCRF('cosa_test', backend=backend)(data['img'], data['prob'])
    torch.testing.assert_close(marginals, data['q'], rtol=0, atol=1e-4)


@pytest.mark.parametrize('backend', LATTICE)
def test_labels(backend):
    data = golden_tensors('crf')
    crf = DenseCRF('psa', backend=backend)
    for alpha in (1, 4, 12, 32):
        labels = crf(data['image'], background_alpha(data['cam'], alpha)).argmax(0)
        assert torch.equal(labels, data[f'label_alpha{alpha}'].long())


@pytest.mark.parametrize('backend', ALL)
def test_several_maps_share_the_kernels_to_the_bit(backend):
    image = np.random.randint(0, 256, (20, 23, 3), np.uint8)
    maps = [np.random.rand(channels, 20, 23).astype(np.float32) for channels in (3, 3, 2, 1, 3)]
    crf = DenseCRF('psa', backend=backend)
    for together, item in zip(crf.refine_many(image, maps), maps):
        np.testing.assert_array_equal(together, crf(image, item))
    assert crf.refine_many(image, []) == []


@pytest.mark.skipif(not HAS_PYDENSECRF, reason='pydensecrf is not installed')
def test_plain_form_gives_the_same():
    """All 21 planes and a lattice for each alpha: the empty planes share 1e-5 of each pixel, no
    label changes.
    """
    data = golden_tensors('crf')
    keys = np.array([4, 11])
    plain = crf_of_alphas(data['image'].numpy(), keys, data['cam'].numpy(), (4, 24))
    ours = DenseCRF('psa', backend='pydensecrf').refine_many(
        data['image'], [background_alpha(data['cam'], alpha) for alpha in (4, 24)]
    )
    for a, b in zip(plain, ours):
        np.testing.assert_allclose(a, b.numpy(), rtol=0, atol=1e-3)
        np.testing.assert_array_equal(a.argmax(0), b.numpy().argmax(0))


@pytest.mark.parametrize('backend', ALL)
@pytest.mark.parametrize('size', [(1, 9), (9, 1), (1, 1)])
def test_thin_images(backend, size):
    image = np.random.randint(0, 256, (*size, 3), np.uint8)
    marginals = DenseCRF('psa', backend=backend)(image, np.random.rand(3, *size))
    assert marginals.shape == (3, *size) and np.allclose(marginals.sum(0), 1, atol=1e-5)


@pytest.mark.parametrize('backend', ALL)
def test_few_channels(backend):
    image = np.random.randint(0, 256, (5, 6, 3), np.uint8)
    crf = DenseCRF('psa', backend=backend)
    assert np.array_equal(crf(image, np.full((1, 5, 6), 0.3, np.float32)), np.ones((1, 5, 6)))
    assert crf(image, np.zeros((0, 5, 6), np.float32)).shape == (0, 5, 6)


@pytest.mark.parametrize('backend', ALL)
def test_views_and_tensors(backend):
    image = np.random.randint(0, 256, (6, 5, 3), np.uint8)
    probs = torch.rand(2, 6, 5)
    crf = DenseCRF('cosa_test', backend=backend)
    marginals = crf(image, probs)
    assert isinstance(marginals, torch.Tensor) and marginals.dtype == torch.float32
    reversed_view = image[..., ::-1].copy()[..., ::-1]
    reversed_view.flags.writeable = False
    assert np.array_equal(crf(reversed_view, probs.numpy()), marginals.numpy())
    assert torch.equal(crf(torch.from_numpy(image), probs.double()), marginals)


def test_values_override_the_preset():
    crf = DenseCRF('psa', num_iters=3, bilateral=(50, 5, 4), backend='torch')
    assert (crf.num_iters, crf.gauss, crf.bilateral) == (3, (3, 3), (50, 5, 4))
    assert '(50, 5, 4)' in repr(crf)
    built = MODELS.build(
        dict(
            type='mmwsss.DenseCRF',
            num_iters=10,
            gauss=[3, 3],
            bilateral=[80, 13, 10],
            backend='torch',
        )
    )
    assert vars(built) == vars(DenseCRF('psa', backend='torch'))
    assert DenseCRF('psa').backend == ('pydensecrf' if HAS_PYDENSECRF else 'torch')
    for name, values in PRESETS.items():
        assert DenseCRF(name).bilateral == values['bilateral']


def test_every_published_parameter_set_has_a_preset():
    """Steps, Gaussian sxy and compat, bilateral sxy, srgb and compat."""
    table = {
        (10, 3, 3, 80, 13, 10): 'psa',
        (10, 3, 3, 50, 5, 10): 'irn',
        (10, 4, 3, 83, 5, 3): 'mct_test',
        (1, 3, 3, 32, 13, 10): 'ssc_test',
        (10, 1, 1, 121, 5, 4): 'toco_test',
        (1, 1, 1, 121, 5, 4): 'cosa_test',
        (10, 3, 3, 36, 3, 4): 'toco_cam',
        (10, 1, 3, 67, 3, 4): 'deeplabv2_test',
    }
    assert {
        (values['num_iters'], *values['gauss'], *values['bilateral']): name
        for name, values in PRESETS.items()
    } == table


@pytest.mark.parametrize('backend', LATTICE)
def test_pruned_channels(backend):
    image, probs = np.random.randint(0, 256, (12, 15, 3), np.uint8), torch.rand(6, 12, 15)
    probs[[1, 4]] *= 1e-5
    crf, pruned = (
        DenseCRF('toco_test', backend=backend),
        DenseCRF('toco_test', prune=1e-4, backend=backend),
    )
    kept = [0, 2, 3, 5]
    result = pruned(image, probs)
    assert torch.equal(result[kept], crf(image, probs[kept])) and not result[[1, 4]].any()
    assert torch.equal(result.argmax(0), crf(image, probs).argmax(0))
    np.testing.assert_array_equal(pruned(image, probs.numpy()), result)
    assert torch.equal(pruned(image, probs[kept]), crf(image, probs[kept]))
    # something always stays
    weak = pruned.refine_many(image, [probs[[1, 4]] * 1e-3, probs, probs[:0]])
    assert weak[0].sum() == 12 * 15 and torch.equal(weak[1], result) and len(weak[2]) == 0
    assert crf.prune is None
    with pytest.raises(ValueError, match='got 1.5'):
        DenseCRF('psa', prune=1.5)


def test_wrong_arguments():
    with pytest.raises(ValueError, match='choose one of psa, irn'):
        DenseCRF('voc')
    with pytest.raises(ValueError, match='needs a preset or values for gauss, bilateral'):
        DenseCRF(num_iters=5)
    with pytest.raises(ValueError, match='choose one of auto'):
        DenseCRF('psa', backend='cuda')
    with pytest.raises(ValueError, match='sxy, srgb, compat'):
        DenseCRF('psa', bilateral=(80, 13))


def test_wrong_inputs():
    crf, probs = DenseCRF('psa', backend='torch'), np.random.rand(2, 4, 5)
    with pytest.raises(TypeError, match='uint8 RGB image, got float32'):
        crf(np.random.rand(4, 5, 3).astype(np.float32), probs)
    with pytest.raises(ValueError, match=r'\(H,W,3\), got \(4, 5\)'):
        crf(np.zeros((4, 5), np.uint8), probs)
    with pytest.raises(ValueError, match='do not fit an image of 5 x 4'):
        crf(np.zeros((5, 4, 3), np.uint8), probs)


def test_missing_pydensecrf_falls_back_to_torch(monkeypatch):
    messages = []
    monkeypatch.setattr(dense_crf.importlib.util, 'find_spec', lambda name: None)
    monkeypatch.setattr(dense_crf, 'print_log', lambda message, **_: messages.append(message))
    dense_crf._default_backend.cache_clear()
    assert [DenseCRF('psa').backend, DenseCRF('irn').backend] == ['torch', 'torch']
    assert len(messages) == 1 and 'pip install pydensecrf2' in messages[0]
    dense_crf._default_backend.cache_clear()
