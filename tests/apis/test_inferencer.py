"""A trained model applied to a photo."""

from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from PIL import Image

from mmwsss.apis import infer_cams, infer_masks, init_model, load_weights
from mmwsss.functional.thresholds import labels_at_threshold
from mmwsss.utils.class_lists import VOC_CLASSES
from mmwsss.utils.image_io import shrink
from tests.mctformer_golden import CAM_ARCH, build, inference, model_config

CONFIGS = Path(__file__).parents[2] / 'configs'
NAMES = ('cat', 'traffic light', 'dog')


def photo(height=40, width=56):
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)


@pytest.fixture
def model():
    return inference(build(3, CAM_ARCH), scales=(1.0, 0.75), names=NAMES)


def test_names_and_ids(model):
    by_name = infer_cams(model, photo(), ['dog', 'traffic light'])
    by_id = infer_cams(model, photo(), [1, 2])
    assert by_name.classes.tolist() == by_id.classes.tolist() == [1, 2] and by_name.names == [
        'traffic light',
        'dog',
    ]
    assert (
        np.array_equal(by_name.cams, by_id.cams)
        and by_name.cams.shape == (2, 40, 56)
        and by_name.cams.dtype == np.float32
    )
    assert by_name.scores.shape == (3,) and ((0 < by_name.scores) & (by_name.scores < 1)).all()
    assert infer_cams(model, photo(), np.array([2])).classes.tolist() == [2]


def test_no_tags_and_predicted_tags(model):
    none = infer_cams(model, photo(), [])
    assert none.classes.shape == (0,) and none.cams.shape == (0, 40, 56) and none.names == []
    for threshold in (0.0, 1.0):
        model.test_cfg['score_threshold'] = threshold
        predicted = infer_cams(model, photo())
        expected = (
            np.flatnonzero(predicted.scores > threshold)
            if threshold < 1
            else [predicted.scores.argmax()]
        )
        assert predicted.classes.tolist() == list(expected)


def test_scales_flip_and_refine_come_from_the_call_or_the_config(model):
    as_configured = infer_cams(model, photo(), [0])
    model.test_cfg.update(flip=True, refine=True)
    assert np.array_equal(
        infer_cams(model, photo(), [0], scales=(1.0, 0.75), flip=True, refine=True).cams,
        as_configured.cams,
    )
    for other in (dict(scales=(1.0,)), dict(flip=False), dict(refine=False)):
        before = dict(model.test_cfg)
        assert not np.allclose(infer_cams(model, photo(), [0], **other).cams, as_configured.cams)
        assert model.test_cfg == before and model.test_cfg['tags'] == 'gt'  # a call changes nothing
    assert np.array_equal(infer_cams(model, photo(), [0]).cams, as_configured.cams)


def test_a_failed_call_changes_nothing(model):
    before = dict(model.test_cfg)
    with pytest.raises(ValueError, match='smaller than a patch'):
        infer_cams(model, photo(20, 12), flip=False)
    with pytest.raises(ValueError, match='12x18'):
        infer_cams(model, photo(24, 16), scales=(0.75,))
    assert model.test_cfg == before


def test_files_and_arrays(model, tmp_path):
    Image.fromarray(photo()[..., ::-1]).save(tmp_path / 'photo.png')
    for image in (tmp_path / 'photo.png', str(tmp_path / 'photo.png')):
        assert np.array_equal(
            infer_cams(model, image, [0]).cams, infer_cams(model, photo(), [0]).cams
        )
    Image.fromarray(photo()[..., 0]).save(tmp_path / 'grey.png')
    assert infer_cams(model, tmp_path / 'grey.png', [0]).cams.shape == (1, 40, 56)
    with pytest.raises(FileNotFoundError, match='missing.jpg'):
        infer_cams(model, tmp_path / 'missing.jpg')
    (tmp_path / 'text.jpg').write_text('no image')
    with pytest.raises(ValueError, match='text.jpg: unreadable image'):
        infer_cams(model, tmp_path / 'text.jpg')
    for wrong in (photo().astype(np.float32), np.zeros((4, 4, 4), np.uint8)):
        with pytest.raises(ValueError, match='uint8 BGR'):
            infer_cams(model, wrong)


@pytest.mark.parametrize(
    'tag, message',
    [
        ('bird', 'unknown tag .bird.; the model knows cat, traffic light, dog'),
        ('background', 'unknown tag'),
        (3, '3 is outside 0..2'),
        (-1, '-1 is outside'),
    ],
)
def test_wrong_tags(model, tag, message):
    with pytest.raises(ValueError, match=message):
        infer_cams(model, photo(), [tag])


def test_masks(model):
    cams = infer_cams(model, photo(), ['cat', 'dog'])
    for threshold in (0.2, 0.7):
        mask = infer_masks(model, photo(), ['cat', 'dog'], threshold=threshold)
        expected = labels_at_threshold(
            torch.from_numpy(cams.cams), torch.from_numpy(cams.classes), threshold
        )
        assert mask.dtype == np.uint8 and mask.shape == (40, 56) and np.array_equal(mask, expected)
        assert set(np.unique(mask)) <= {0, 1, 3}
    assert np.array_equal(
        infer_masks(model, photo(), ['cat']), infer_masks(model, photo(), ['cat'], threshold=0.4)
    )
    model.cfg.cam_threshold = 0.8
    assert np.array_equal(
        infer_masks(model, photo(), ['cat']), infer_masks(model, photo(), ['cat'], threshold=0.8)
    )
    assert (infer_masks(model, photo(), []) == 0).all()


def tiny_config():
    return Config(
        dict(
            model=model_config(3, CAM_ARCH),
            work_dir='unused',
            test_dataloader=dict(
                dataset=dict(
                    pipeline=[
                        dict(type='mmwsss.LoadImage'),
                        dict(type='mmwsss.MultiScaleViews', scales=(1.0,)),
                        dict(type='mmwsss.PackTagInputs'),
                    ]
                )
            ),
        )
    )


def test_model_from_config_and_checkpoint(tmp_path):
    trained = build(3, CAM_ARCH)
    torch.save(
        dict(
            state_dict=trained.state_dict(),
            meta=dict(dataset_meta=dict(classes=['background', *NAMES])),
        ),
        tmp_path / 'a.pth',
    )
    model = init_model(tiny_config(), tmp_path / 'a.pth')
    assert (
        not model.training
        and not model.backbone.training
        and model.class_names == ('background', *NAMES)
    )
    for name, value in trained.state_dict().items():
        assert torch.equal(model.state_dict()[name], value), name
    assert infer_cams(model, photo(), ['dog']).names == ['dog']
    without = init_model(
        tiny_config(),
        cfg_options={'model.test_cfg': dict(flip=False), 'classes': ['background', 'a', 'b', 'c']},
    )
    assert (
        without.class_names == ('background', 'a', 'b', 'c') and without.test_cfg['flip'] is False
    )
    assert init_model(tiny_config(), cfg_options={'classes': 'voc'}).class_names == VOC_CLASSES
    assert init_model(tiny_config()).class_names == ('background', '0', '1', '2')


def test_wrong_checkpoints(tmp_path):
    with pytest.raises(FileNotFoundError, match='missing.pth'):
        init_model(tiny_config(), tmp_path / 'missing.pth')
    torch.save([1, 2], tmp_path / 'list.pth')
    with pytest.raises(ValueError, match='list.pth'):
        init_model(tiny_config(), tmp_path / 'list.pth')
    (tmp_path / 'text.pth').write_text('no checkpoint')
    with pytest.raises(ValueError, match='text.pth'):
        load_weights(build(3, CAM_ARCH), tmp_path / 'text.pth')
    with pytest.raises(FileNotFoundError, match='missing.py'):
        init_model(tmp_path / 'missing.py')


@pytest.mark.parametrize('meta', ['x', None, [1], {}, dict(dataset_meta=dict(classes='abc'))])
def test_notes_of_another_kind_name_no_classes(meta, tmp_path):
    torch.save(dict(state_dict=build(3, CAM_ARCH).state_dict(), meta=meta), tmp_path / 'a.pth')
    model = init_model(tiny_config(), tmp_path / 'a.pth')
    assert model.class_names == ('background', '0', '1', '2')


def test_class_names_of_a_checkpoint_are_checked(tmp_path):
    meta = dict(dataset_meta=dict(classes=['background', '../x', 'b', 'c']))
    torch.save(dict(state_dict=build(3, CAM_ARCH).state_dict(), meta=meta), tmp_path / 'a.pth')
    with pytest.raises(ValueError, match=r"a\.pth: class '\.\./x' cannot be used"):
        init_model(tiny_config(), tmp_path / 'a.pth')


def test_toy_config_and_trained_classes(toy_root):
    model = init_model(CONFIGS / 'mctformer_plus_toy.py')
    assert model.class_names[:3] == ('background', 'kite', 'boat')
    image = toy_root / 'JPEGImages' / 'train_00000.jpg'
    result = infer_cams(model, image, ['house'])
    assert result.names == ['house'] and result.cams.shape[1:] == Image.open(image).size[::-1]


def test_segmentation_network(toy_root):
    model = init_model(CONFIGS / 'deeplabv3plus_r18_toy_pseudo.py')
    image = toy_root / 'JPEGImages' / 'train_00001.jpg'
    mask = infer_masks(model, image)
    assert mask.shape == Image.open(image).size[::-1] and mask.dtype == np.uint8 and mask.max() <= 8
    for options in (dict(tags=['house']), dict(scales=(1.0,)), dict(flip=True), dict(refine=False)):
        with pytest.raises(ValueError, match='segments without tags'):
            infer_masks(model, image, **options)


def test_a_large_photo_is_made_smaller_and_its_maps_are_scaled_back(model, tmp_path):
    image = photo(80, 112)
    small = infer_cams(model, image, [0, 2], max_side=56)
    assert small.cams.shape == (2, 80, 112)
    expected = infer_cams(model, shrink(image, 56), [0, 2])
    np.testing.assert_allclose(small.scores, expected.scores, atol=1e-6)
    assert infer_masks(model, image, [0, 2], max_side=56).shape == (80, 112)
    model.cfg.test_dataloader.dataset.max_side = 56
    np.testing.assert_array_equal(infer_cams(model, image, [0, 2]).cams, small.cams)


def test_a_phone_photo_is_seen_upright(model, tmp_path):
    image, exif = photo(), Image.Exif()
    exif[0x0112] = 6
    stored = np.ascontiguousarray(np.rot90(image)[..., ::-1])
    Image.fromarray(stored).save(tmp_path / 'a.png', exif=exif)
    found = infer_cams(model, tmp_path / 'a.png', [0])
    np.testing.assert_array_equal(found.cams, infer_cams(model, image, [0]).cams)


def test_too_little_memory_names_the_photo_and_the_option(model, monkeypatch):
    def fail(*_):
        raise RuntimeError('DefaultCPUAllocator: not enough memory: you tried to allocate 18 GB')

    monkeypatch.setattr(model, 'test_step', fail)
    with pytest.raises(ValueError, match='the image .56x40.: .*not enough memory; give max_side'):
        infer_cams(model, photo(), [0])
