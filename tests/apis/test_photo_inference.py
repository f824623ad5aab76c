"""Several photos at once, and what can be done with the results."""

import numpy as np
import pytest
import torch
from PIL import Image

from mmwsss.apis import CAMs, LabelMap, Results, infer_cams, infer_masks
from mmwsss.apis.cams import check_threshold
from mmwsss.apis.label_map import coco_of
from mmwsss.apis.photo_inference import predict_photos
from mmwsss.apis.photo_inputs import gather_photos
from mmwsss.utils.io import read_cam, read_mask
from tests.mctformer_golden import CAM_ARCH, build, inference

NAMES = ('cat', 'traffic light', 'dog')
SIZES = ((40, 56), (48, 32), (40, 56), (40, 56))


@pytest.fixture(scope='module')
def model():
    return inference(build(3, CAM_ARCH), names=NAMES)


def photos():
    rng = np.random.default_rng(0)
    return [rng.integers(0, 256, (*size, 3), np.uint8) for size in SIZES]


@pytest.mark.parametrize('batch_size', [1, 2])
def test_a_list_gives_what_each_photo_gives(model, batch_size):
    tags = [['cat'], ['dog', 'cat'], [], ['traffic light']]
    found = infer_cams(model, photos(), tags, batch_size=batch_size)
    assert isinstance(found, Results) and len(found) == 4
    for result, image, own in zip(found, photos(), tags):
        alone = infer_cams(model, image, own)
        assert isinstance(alone, CAMs) and result.names == alone.names
        np.testing.assert_allclose(result.cams, alone.cams, atol=1e-5)
        np.testing.assert_allclose(result.scores, alone.scores, atol=1e-6)
    masks = infer_masks(model, photos(), 'dog', batch_size=batch_size)
    assert [mask.shape for mask in masks] == [*SIZES]
    assert all({*np.unique(mask)} <= {0, 3} for mask in masks)


def test_photos_of_one_size_share_a_batch(model, monkeypatch):
    sizes, step = [], model.test_step

    def count(data):
        sizes.append(len(data['data_samples']))
        return step(data)

    monkeypatch.setattr(model, 'test_step', count)
    infer_cams(model, photos(), [0], batch_size=3)
    assert sizes == [3, 1]


def test_settings_hold_during_a_prediction_alone(model):
    before = dict(model.test_cfg)
    gathered, _ = gather_photos(photos())
    for place, sample in predict_photos(model, gathered, [[0]] * 4, options=dict(flip=False)):
        assert model.test_cfg == before and sample.ori_shape == SIZES[place]
        assert torch.is_grad_enabled()


def test_maps_and_mask_of_one_pass(model, monkeypatch):
    calls, step = [], model.test_step
    monkeypatch.setattr(model, 'test_step', lambda data: calls.append(1) or step(data))
    found = infer_cams(model, photos()[0], ['cat', 'dog'], threshold=0.3)
    mask = found.mask
    assert calls == [1] and found.mask is mask and mask.class_names == ('background', *NAMES)
    np.testing.assert_array_equal(mask, infer_masks(model, photos()[0], [0, 2], threshold=0.3))
    np.testing.assert_array_equal(
        found.cut(0.7), infer_masks(model, photos()[0], [0, 2], threshold=0.7)
    )
    for call in (found.cut, check_threshold):
        with pytest.raises(ValueError, match='threshold must be in'):
            call(40)
    with pytest.raises(ValueError, match='got 40'):
        infer_masks(model, photos()[0], threshold=40)


def test_files_of_a_result(model, tmp_path):
    found = infer_cams(model, photos()[0], ['cat', 'dog'])
    maps, mask, overlay = found.save(tmp_path / 'new')
    assert [path.name for path in (maps, mask, overlay)] == [
        'image.npz',
        'image.png',
        'image_overlay.png',
    ]
    np.testing.assert_array_equal(read_cam(maps).cam, found.cams)
    np.testing.assert_array_equal(read_mask(mask, 4, SIZES[0]), found.mask)
    assert Image.open(overlay).size == found.overlay().size
    assert found.mask.save(tmp_path / 'x.png') == tmp_path / 'x.png'
    np.testing.assert_array_equal(read_mask(tmp_path / 'x.png', 4, SIZES[0]), found.mask)
    assert found.mask.overlay().size == SIZES[0][::-1]


def test_files_of_several_results(model, tmp_path):
    folder = tmp_path / 'photos'
    folder.mkdir()
    for index, image in enumerate(photos()[:2]):
        Image.fromarray(image).save(folder / f'p{index}.png')
    found = infer_masks(model, folder, 'cat', threshold=0.0)
    assert found.names == ['p0', 'p1']
    assert [path.name for path in found.save(tmp_path / 'out')] == ['p0.png', 'p1.png']
    assert [picture.size for picture in found.overlay()] == [size[::-1] for size in SIZES[:2]]
    assert len(infer_cams(model, folder, 'cat').save(tmp_path / 'maps')) == 6
    twice = infer_masks(model, [folder / 'p0.png'] * 2, 'cat')
    with pytest.raises(ValueError, match="first 'p0'"):
        twice.save(tmp_path / 'twice')
    assert not (tmp_path / 'twice').exists()


def test_coco(model):
    pytest.importorskip('pycocotools')
    found = infer_cams(model, photos()[:2], 'dog', threshold=0.0)
    content = found.to_coco()
    assert [entry['file_name'] for entry in content['images']] == ['image_0.png', 'image_1.png']
    assert [entry['name'] for entry in content['categories']] == [*NAMES]
    area = sum(int((result.mask == 3).sum()) for result in found)
    assert area and sum(entry['area'] for entry in content['annotations']) == area
    own = found[0].to_coco(polygons=True)
    assert len(own['images']) == 1
    assert all(isinstance(entry['segmentation'], list) for entry in own['annotations'])
    assert coco_of([found[0].mask]) == found[0].mask.to_coco()


def test_a_label_map_is_an_array():
    mask = LabelMap(np.eye(3), ('background', 'a'))
    assert mask.dtype == np.uint8 and mask.sum() == 3 and type(np.asarray(mask)) is np.ndarray
    assert (mask[1:] + 1).class_names == ('background', 'a')
    assert torch.from_numpy(mask).shape == (3, 3)
    with pytest.raises(ValueError, match='has no photo'):
        mask.overlay()


def test_no_photos_and_wrong_models(model):
    assert infer_cams(model, []) == [] and infer_masks(model, []) == []
    with pytest.raises(ValueError, match='Identity is a segmentation network without class'):
        infer_cams(torch.nn.Identity(), photos()[0])
