"""AffinityDataset: images with their CRF maps or label maps."""

import numpy as np
import pytest

from mmwsss.datasets import AffinityDataset
from mmwsss.utils.affinity_io import write_crf_maps
from mmwsss.utils.io import write_mask


@pytest.fixture
def labelled(photos):
    for name in 'abcd':
        write_crf_maps(
            photos / 'psa' / f'{name}.npz', [0], np.ones((2, 12, 16)), np.ones((2, 12, 16))
        )
        write_mask(photos / 'irn' / f'{name}.png', np.ones((12, 16)))
    return photos


def build(root, folder='psa', **options):
    return AffinityDataset(
        data_root=str(root), **{'data_prefix': {'affinity_path': folder}, **options}
    )


def test_files_of_each_image(labelled):
    data = build(labelled, ann_file='train.txt')
    assert [data.get_data_info(index)['img_id'] for index in range(len(data))] == ['b', 'a']
    assert data.get_data_info(0)['affinity_path'] == str(labelled / 'psa' / 'b.npz')
    assert data.get_data_info(0)['img_path'] == str(labelled / 'JPEGImages' / 'b.jpg')
    assert 'seg_map_path' not in data.get_data_info(0)
    assert len(build(labelled, 'irn')) == 4 and build(labelled, 'irn').get_data_info(3)[
        'affinity_path'
    ] == str(labelled / 'irn' / 'd.png')


def test_folder_beside_the_working_directory(labelled, monkeypatch, tmp_path):
    (labelled / 'psa').rename(tmp_path / 'labels')
    monkeypatch.chdir(tmp_path)
    assert build(labelled, 'labels').get_data_info(0)['affinity_path'] == str(
        tmp_path / 'labels' / 'a.npz'
    )


def test_what_is_missing_is_named(labelled):
    (labelled / 'psa' / 'c.npz').unlink()
    with pytest.raises(
        FileNotFoundError,
        match='1 of 4 affinity label files not found.*: c. Write them first with tools/make_aff',
    ):
        build(labelled)
    with pytest.raises(
        FileNotFoundError, match='affinity label folder not found.*Write them first'
    ):
        build(labelled, 'none')
    with pytest.raises(FileNotFoundError, match='4 of 4 affinity label files'):
        build(labelled, 'irn', affinity_suffix='.npz')
    (labelled / 'list.txt').write_text(''.join(f'new{index:02}\n' for index in range(25)))
    (labelled / 'JPEGImages' / 'a.jpg').unlink()
    with pytest.raises(FileNotFoundError, match=r'25 of 25 image files not found.*new19, \.\.\.$'):
        build(labelled, ann_file='list.txt')
    with pytest.raises(ValueError, match='affinity_path'):
        AffinityDataset(data_root=str(labelled))


def test_no_other_image_takes_the_place_of_one_that_fails(labelled):
    with pytest.raises(ValueError, match='a.jpg: a transform of the pipeline dropped'):
        build(labelled, pipeline=[lambda info: None])[0]
