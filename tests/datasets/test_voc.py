"""VOC12TagDataset on a tree of three images."""

import pytest

from mmwsss.datasets import VOC12TagDataset, voc
from tests.datasets.voc_tree import make_voc_tree


@pytest.fixture
def root(tmp_path):
    return make_voc_tree(tmp_path / 'VOC2012')


@pytest.fixture
def warnings(monkeypatch):
    messages = []
    monkeypatch.setattr(voc, 'print_log', lambda message, **kwargs: messages.append(message))
    return messages


def infos(data):
    return [data.get_data_info(index) for index in range(len(data))]


def test_tags_from_the_annotations(root, warnings):
    data = VOC12TagDataset(data_root=str(root))
    assert data.num_tags == 20 and len(data.metainfo['palette']) == 21
    assert [(info['img_id'], info['gt_tags']) for info in infos(data)] == [
        ('2007_000002', [19]),
        ('2007_000001', [11, 14]),
    ]
    assert all('seg_map_path' not in info for info in infos(data))
    assert (
        f'{root}/ImageSets/Segmentation/train_aug.txt: 2 images, VOC 2012 train_aug has 10582'
        in warnings
    )


def test_official_counts_do_not_warn(root, warnings, monkeypatch):
    monkeypatch.setitem(voc.VOC_SPLIT_SIZES, 'val', 1)
    VOC12TagDataset(data_root=str(root), split='val')
    assert not any('has' in message for message in warnings)
    assert voc.VOC_SPLIT_SIZES['train_aug'] == 10582 and voc.VOC_SPLIT_SIZES['test'] == 1456


def test_val_has_masks_in_test_mode(root):
    (info,) = infos(VOC12TagDataset(data_root=str(root), split='val', test_mode=True))
    assert info['seg_map_path'] == str(root / 'SegmentationClassAug' / '2007_000003.png')
    assert info['gt_tags'] == [0, 16]


def test_test_split_has_neither_tags_nor_masks(root):
    (info,) = infos(VOC12TagDataset(data_root=str(root), split='test', test_mode=True))
    assert info.keys() == {'img_id', 'img_path', 'num_tags', 'sample_idx'}


def test_mask_tags_in_test_mode_only(root):
    (info,) = infos(
        VOC12TagDataset(data_root=str(root), split='val', source='mask', test_mode=True)
    )
    assert info['gt_tags'] == [7]
    with pytest.raises(ValueError, match='does not read masks.*voc_aug.py'):
        VOC12TagDataset(data_root=str(root), source='mask')


def test_a_tag_file_goes_first(root):
    (root / 'image_tags.csv').write_text('image,tags\n2007_000001,cow\n')
    assert infos(VOC12TagDataset(data_root=str(root), split='train'))[0]['gt_tags'] == [9]
    assert infos(VOC12TagDataset(data_root=str(root), split='train', source='xml'))[0][
        'gt_tags'
    ] == [11, 14]
    with pytest.raises(ValueError, match='image_tags.csv: 1 images .* have no row: 2007_000002'):
        VOC12TagDataset(data_root=str(root))


def test_a_missing_folder_says_what_to_download(tmp_path):
    with pytest.raises(FileNotFoundError) as error:
        VOC12TagDataset(data_root=str(tmp_path / 'none'))
    for word in (
        'train_aug.txt',
        'VOCtrainval_11-May-2012.tar',
        'SegmentationClassAug',
        '10,582',
        'voc_aug.py',
        'JPEGImages',
    ):
        assert word in str(error.value)
    VOC12TagDataset(data_root=str(tmp_path / 'none'), lazy_init=True)


def test_bad_settings_and_files(root):
    with pytest.raises(ValueError, match="split='trainval'"):
        VOC12TagDataset(data_root=str(root), split='trainval')
    with pytest.raises(ValueError, match="source='txt'"):
        VOC12TagDataset(data_root=str(root), source='txt')
    with pytest.raises(FileNotFoundError, match='image_tags.csv: tag file'):
        VOC12TagDataset(data_root=str(root), source='file')
    annotation = root / 'Annotations' / '2007_000001.xml'
    annotation.write_text('<annotation><object><name>zebra</name></object></annotation>')
    with pytest.raises(ValueError, match="2007_000001.xml: object 'zebra'"):
        VOC12TagDataset(data_root=str(root))
    annotation.unlink()
    with pytest.raises(
        FileNotFoundError, match='1 of 2 annotation files not found .*: 2007_000001'
    ):
        VOC12TagDataset(data_root=str(root))
