"""What affinity networks are trained on, against separate CRFs and a plain merge."""

import pickle

import numpy as np
import pytest
import torch
from PIL import Image

from mmwsss.apis.affinity_labels import AffinityLabelMaker
from mmwsss.functional.crf import background_alpha
from mmwsss.models.refiners import DenseCRF
from mmwsss.utils.affinity_io import read_crf_maps
from mmwsss.utils.io import read_image, read_mask, write_cam

SIZE = 24, 30
BACKENDS = ('torch', 'pydensecrf')


def crf_options(backend, preset):
    if backend == 'pydensecrf':
        pytest.importorskip('pydensecrf')
    return dict(preset=preset, backend=backend)


@pytest.fixture(params=[[7, 3], [5], []], ids=['two', 'one', 'untagged'])
def job(request, tmp_path):
    """Id, CAM file and image, of objects that the maps cover in part."""
    rng = np.random.default_rng(0)
    image = np.zeros((*SIZE, 3), np.uint8)
    image[4:16, 4:14] = 220, 40, 40
    image[8:20, 18:28] = 40, 60, 220
    Image.fromarray(image + rng.integers(0, 4, image.shape, np.uint8)).save(tmp_path / 'a.png')
    cams = np.zeros((2, *SIZE), np.float32)
    cams[0, 5:16, 4:13], cams[1, 8:19, 19:28] = 1.0, 0.8
    cams = np.clip(cams + 0.06 * rng.random(cams.shape), 0, 1)[: len(request.param)]
    write_cam(tmp_path / 'a.npz', request.param, cams, SIZE)
    return 'a', tmp_path / 'a.npz', tmp_path / 'a.png'


def read(job):
    with np.load(job[1]) as data:
        return (
            torch.from_numpy(data['cam']),
            data['keys'].tolist(),
            np.ascontiguousarray(read_image(job[2])[..., ::-1]),
        )


@pytest.mark.parametrize('backend', BACKENDS)
def test_psa_equals_two_separate_crfs(job, tmp_path, backend):
    options = crf_options(backend, 'psa')
    maker = AffinityLabelMaker(tmp_path / 'out', 'psa', crf=options)
    assert maker(job) == 'a'
    cams, keys, image = read(job)
    maps = read_crf_maps(tmp_path / 'out' / 'a.npz')
    assert maps.keys.tolist() == keys
    for alpha, result in ((1, maps.la), (12, maps.ha)):
        expected = DenseCRF(**options)(image, background_alpha(cams, alpha)).numpy()
        np.testing.assert_array_equal(result, expected.astype(np.float16))
    assert maps.la.shape == (len(keys) + 1, *SIZE)


@pytest.mark.parametrize('backend', BACKENDS)
def test_irn_equals_a_plain_merge(job, tmp_path, backend):
    options = crf_options(backend, 'irn')
    assert AffinityLabelMaker(tmp_path / 'out', 'irn', crf=options)(job) == 'a'
    label = read_mask(tmp_path / 'out' / 'a.png')
    cams, keys, image = read(job)
    if not keys:
        assert label.shape == SIZE and not label.any()
        return
    found = []
    for threshold in (0.30, 0.05):
        hard = np.concatenate([np.full((1, *SIZE), threshold, np.float32), cams.numpy()]).argmax(0)
        probs = np.full((len(keys) + 1, *SIZE), 0.3 / len(keys), np.float32)
        np.put_along_axis(probs, hard[None], 0.7, 0)
        found.append(DenseCRF(**options)(image, probs).argmax(0))
    expected = [
        [keys[fg - 1] + 1 if fg else 255 if bg else 0 for fg, bg in zip(*rows)]
        for rows in zip(*found)
    ]
    np.testing.assert_array_equal(label, expected)
    assert {*np.unique(label)} >= {key + 1 for key in keys}


def test_settings(job, tmp_path):
    maker = AffinityLabelMaker(
        tmp_path, 'psa', low_alpha=4, high_alpha=32, crf=crf_options('torch', 'psa')
    )
    cams, _, image = read(job)
    la, ha = maker.crf_maps(image[..., ::-1], cams)
    torch.testing.assert_close(
        la, DenseCRF('psa', backend='torch')(image, background_alpha(cams, 4)), rtol=0, atol=0
    )
    torch.testing.assert_close(
        ha, DenseCRF('psa', backend='torch')(image, background_alpha(cams, 32)), rtol=0, atol=0
    )
    assert pickle.loads(pickle.dumps(maker)) == maker  # it goes to worker processes


@pytest.mark.parametrize(
    'options, message',
    [
        (dict(method='crf'), "'crf'"),
        (dict(method='psa', low_alpha=12), '12'),
        (dict(method='psa', low_alpha=0), '0 < low alpha'),
        (dict(method='irn', foreground=0.05), 'foreground'),
        (dict(method='irn', foreground=1.5), '1.5'),
    ],
)
def test_bad_settings(tmp_path, options, message):
    with pytest.raises(ValueError, match=message):
        AffinityLabelMaker(tmp_path, **options)


def test_bad_files(tmp_path):
    Image.new('RGB', (6, 4)).save(tmp_path / 'a.png')
    maker = AffinityLabelMaker(
        tmp_path / 'out', 'irn', num_classes=5, crf=dict(preset='irn', backend='torch')
    )
    write_cam(tmp_path / 'a.npz', [5], np.ones((1, 4, 6)))
    with pytest.raises(ValueError, match=r'a.npz: class ids \[5\] are outside 0..4'):
        maker(('a', tmp_path / 'a.npz', tmp_path / 'a.png'))
    write_cam(tmp_path / 'a.npz', [254], np.ones((1, 4, 6)))
    with pytest.raises(ValueError, match='outside 0..253'):
        AffinityLabelMaker(tmp_path / 'out', 'irn')(('a', tmp_path / 'a.npz', tmp_path / 'a.png'))
    write_cam(tmp_path / 'a.npz', [0], np.ones((1, 6, 4)))
    with pytest.raises(ValueError, match='maps of 4x6'):
        maker(('a', tmp_path / 'a.npz', tmp_path / 'a.png'))
    assert not (tmp_path / 'out').exists()
