"""PseudoSegDataset: pseudo masks in training, real ones in test mode."""

from pathlib import Path

import numpy as np
import pytest
from mmengine.config import Config
from PIL import Image

from mmwsss.datasets import PseudoSegDataset
from mmwsss.registry import DATASETS
from mmwsss.utils.io import write_mask

CONFIGS = Path(__file__).parents[2] / 'configs'
PREFIX = {
    'img_path': 'JPEGImages',
    'pseudo_mask_path': 'pseudo',
    'seg_map_path': 'SegmentationClass',
}


@pytest.fixture
def pseudo(photos):
    for name in 'abcd':
        write_mask(photos / 'pseudo' / f'{name}.png', np.full((12, 16), 2))
    return photos


def build(root, **kwargs):
    return PseudoSegDataset(
        data_root=str(root), **{'data_prefix': PREFIX, 'classes': 'classes.txt', **kwargs}
    )


def test_training_and_test_masks(pseudo):
    train, test = build(pseudo, ann_file='train.txt'), build(pseudo, test_mode=True)
    assert [train.get_data_info(index)['img_id'] for index in range(len(train))] == ['b', 'a']
    assert train.get_data_info(0)['seg_map_path'] == str(pseudo / 'pseudo' / 'b.png')
    assert [test.get_data_info(index)['img_id'] for index in range(len(test))] == list('abcd')
    assert test.get_data_info(0)['seg_map_path'] == str(pseudo / 'SegmentationClass' / 'a.png')
    assert train.metainfo['classes'] == ('background', 'dog', 'cat')
    assert 'seg_map_path' not in build(
        pseudo, test_mode=True, data_prefix={'img_path': 'JPEGImages'}
    ).get_data_info(0)


def test_pseudo_masks_beside_the_working_directory(pseudo, monkeypatch, tmp_path):
    (pseudo / 'pseudo').rename(tmp_path / 'masks')
    monkeypatch.chdir(tmp_path)
    data = build(pseudo, data_prefix={**PREFIX, 'pseudo_mask_path': 'masks'})
    assert data.get_data_info(0)['seg_map_path'] == str(tmp_path / 'masks' / 'a.png')


@pytest.mark.parametrize(
    'load',
    [
        [{'type': 'mmwsss.LoadImage'}, {'type': 'mmwsss.LoadMask'}],
        [{'type': 'mmseg.LoadImageFromFile'}, {'type': 'mmseg.LoadAnnotations'}],
    ],
)
def test_with_the_transforms_of_mmseg(pseudo, load):
    data = DATASETS.build(
        {
            'type': 'mmwsss.PseudoSegDataset',
            'data_root': str(pseudo),
            'metainfo': {'classes': 'classes.txt'},
            'data_prefix': PREFIX,
            'pipeline': [
                *load,
                {'type': 'mmwsss.RandomScale', 'ratio_range': (1.5, 1.5)},
                {'type': 'mmseg.RandomCrop', 'crop_size': (10, 10)},
                {'type': 'mmseg.RandomFlip', 'prob': 1.0},
                {'type': 'mmseg.PackSegInputs'},
            ],
        }
    )
    item = data[0]
    assert item['inputs'].shape == (3, 10, 10)
    assert (item['data_samples'].gt_sem_seg.data == 2).all()


def test_missing_masks_are_listed_with_the_fix(pseudo):
    (pseudo / 'pseudo' / 'c.png').unlink()
    with pytest.raises(
        FileNotFoundError,
        match='1 of 4 pseudo mask files not found .*: c. Make them first: tools/run_pipeline.py',
    ):
        build(pseudo)
    assert len(build(pseudo, test_mode=True)) == 4
    with pytest.raises(FileNotFoundError, match='pseudo mask folder not found.*Make them first'):
        build(pseudo, data_prefix={**PREFIX, 'pseudo_mask_path': 'none'})


def test_bad_masks_are_named(pseudo):
    pipeline = [{'type': 'mmwsss.LoadImage'}, {'type': 'mmwsss.LoadMask'}]
    write_mask(pseudo / 'pseudo' / 'a.png', np.zeros((12, 15)))
    write_mask(pseudo / 'pseudo' / 'b.png', np.full((12, 16), 3))
    data = build(pseudo, pipeline=pipeline)
    with pytest.raises(ValueError, match='a.png: mask is 15x12'):
        data[0]
    with pytest.raises(ValueError, match=r'b.png: class ids \[3\]'):
        data[1]
    assert data[2]['gt_seg_map'].shape == (12, 16)


def test_bad_settings(pseudo):
    with pytest.raises(ValueError, match='pseudo_mask_path'):
        build(pseudo, data_prefix={'img_path': 'JPEGImages', 'seg_map_path': 'SegmentationClass'})
    with pytest.raises(ValueError, match='class names'):
        build(pseudo, classes=None)
    with pytest.raises(FileNotFoundError, match='none: image folder not found'):
        build(pseudo, data_prefix={**PREFIX, 'img_path': 'none'})
    with pytest.raises(FileNotFoundError, match='no image with suffix .bmp'):
        build(pseudo, img_suffix='.bmp')


def test_nothing_replaces_a_dropped_image(pseudo):
    with pytest.raises(ValueError, match='a.jpg: a transform'):
        build(pseudo, pipeline=[lambda results: None])[0]


def test_black_and_white_masks_of_one_class_are_asked_about(pseudo):
    (pseudo / 'two.txt').write_text('background\npolyp\n')
    for name in 'abcd':
        mask = np.zeros((12, 16), np.uint8)
        mask[3:9, 4:12] = 255
        write_mask(pseudo / 'pseudo' / f'{name}.png', mask)
    with pytest.raises(ValueError, match='pseudo: these masks are black and white .*no polyp'):
        build(pseudo, classes='two.txt')
    data = build(
        pseudo,
        classes='two.txt',
        pipeline=[{'type': 'mmwsss.LoadImage'}, {'type': 'mmwsss.LoadMask', 'white': 1}],
    )
    assert np.unique(data[0]['gt_seg_map']).tolist() == [0, 1]
    mask[0, 0] = 1
    write_mask(pseudo / 'pseudo' / 'd.png', mask)
    assert len(build(pseudo, classes='two.txt')) == 4


@pytest.mark.parametrize('kind', ['size', '16 bits', 'float', 'colour', 'class', 'jpeg', 'cut'])
def test_training_refuses_the_masks_that_evaluation_refuses(pseudo, kind):
    path = pseudo / 'pseudo' / 'a.png'
    plain = Image.fromarray(np.ones((12, 16), np.uint8))
    if kind == 'size':
        write_mask(path, np.ones((16, 12), np.uint8))
    elif kind == '16 bits':
        Image.fromarray(np.full((12, 16), 257, np.uint16)).save(path)
    elif kind == 'float':
        Image.fromarray(np.ones((12, 16), np.float32)).save(path, 'TIFF')
    elif kind == 'colour':
        plain.convert('RGBA').save(path)
    elif kind == 'class':
        write_mask(path, np.full((12, 16), 200, np.uint8))
    elif kind == 'jpeg':
        plain.save(path, 'JPEG')
    else:
        path.write_bytes(path.read_bytes()[:60])
    config = Config.fromfile(CONFIGS / 'deeplabv1_r38_voc_pseudo.py')
    pipeline = config.train_dataloader.dataset.pipeline
    data = build(pseudo, classes='classes.txt', pipeline=[dict(step) for step in pipeline])
    with pytest.raises(ValueError, match='a.png: '):
        data[0]
    assert data[1]['data_samples'].gt_sem_seg.data.unique().tolist() in ([2], [2, 255])


def test_photos_in_subfolders_keep_their_ids(tmp_path):
    for name in ('a/1', 'b/1'):
        file = tmp_path / 'JPEGImages' / f'{name}.png'
        file.parent.mkdir(parents=True)
        Image.fromarray(np.zeros((20, 24, 3), np.uint8)).save(file)
    pack = dict(type='mmseg.PackSegInputs')
    tta = dict(
        type='mmseg.TestTimeAug', transforms=[[dict(type='mmseg.RandomFlip', prob=1.0)], [pack]]
    )
    for steps in ([pack], [tta]):
        pipeline = [dict(type='mmwsss.LoadImage'), *steps]
        dataset = PseudoSegDataset(
            data_root=str(tmp_path),
            classes=['background', 'cat'],
            pipeline=pipeline,
            test_mode=True,
        )
        samples = [dataset[index]['data_samples'] for index in range(2)]
        samples = [entry[0] if isinstance(entry, list) else entry for entry in samples]
        assert [sample.img_id for sample in samples] == ['a/1', 'b/1']
    assert 'meta_keys' not in pack
