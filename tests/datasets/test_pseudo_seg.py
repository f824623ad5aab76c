"""PseudoSegDataset: pseudo masks in training, real ones in test mode."""

import numpy as np
import pytest

from mmwsss.datasets import PseudoSegDataset
from mmwsss.registry import DATASETS
from mmwsss.utils.io import write_mask

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
