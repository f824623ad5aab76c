"""OpenImagesWSOLDataset and its masks, on a tree of three images."""

import numpy as np
import pytest
from mmengine.config import Config
from PIL import Image

from mmwsss.apis.config import dataset_of_split
from mmwsss.datasets import OpenImagesWSOLDataset, openimages
from mmwsss.datasets.transforms import LoadImage, LoadWSOLMask, PackTagInputs
from mmwsss.registry import DATASETS
from tests.tools.program import CONFIGS

ONE, TWO, THREE = 'val/0cat/a.jpg', 'val/0cat/b.jpg', 'val/9dog/c.jpg'


@pytest.fixture
def root(tmp_path, monkeypatch):
    """Classes 0 (0cat) and 7 (9dog); image a has two instances and a region to ignore."""
    monkeypatch.setitem(openimages.OPENIMAGES_SPLIT_SIZES, 'val', 3)
    root = tmp_path / 'openimages'
    for name in (ONE, TWO, THREE, ONE.replace('val', 'train')):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.zeros((30, 50, 3), np.uint8)).save(root / name)
    left, middle, low = np.zeros((3, 60, 100), bool)
    left[:, :20], middle[20:40, 30:60], low[30:] = True, True, True
    for name, mask in (
        ('a_m_1', left),
        ('a_m_2', middle),
        ('a_ignore', low),
        ('b_m_1', middle),
        ('c_m_1', left),
    ):
        folder = '9dog' if name[0] == 'c' else '0cat'
        Image.fromarray(mask.astype(np.uint8) * (255 if name[0] == 'a' else 1)).save(
            root / f'val/{folder}/{name}.png'
        )
    lists = root / 'metadata' / 'val'
    lists.mkdir(parents=True)
    (lists / 'image_ids.txt').write_text(f'{ONE}\n{THREE}\n{TWO}\n')
    (lists / 'class_labels.txt').write_text(f'{ONE},0\n{TWO},0\n{THREE},7\n')
    (lists / 'localization.txt').write_text(
        f'{ONE},val/0cat/a_m_1.png,val/0cat/a_ignore.png\n{ONE},val/0cat/a_m_2.png,\n{TWO},val/0cat/b_m_1.png,\n{THREE},val/9dog/c_m_1.png,\n'
    )
    (root / 'metadata' / 'train').mkdir()
    (root / 'metadata' / 'train' / 'image_ids.txt').write_text(ONE.replace('val', 'train') + '\n')
    (root / 'metadata' / 'train' / 'class_labels.txt').write_text(
        ONE.replace('val', 'train') + ',0\n'
    )
    return root


def test_tags_and_masks(root):
    data = OpenImagesWSOLDataset(data_root=str(root), split='val', test_mode=True)
    infos = [data.get_data_info(index) for index in range(len(data))]
    assert [(info['img_id'], info['gt_tags']) for info in infos] == [
        ('val/0cat/a', [0]),
        ('val/9dog/c', [7]),
        ('val/0cat/b', [0]),
    ]
    assert (
        data.num_tags == 100
        and data.metainfo['classes'][:2] == ('background', '0cat')
        and data.metainfo['classes'][8] == '9dog'
    )
    assert data.metainfo['classes'][2] == 'class 1' and data.metainfo['split'] == 'val'
    assert infos[0]['mask_paths'] == [
        str(root / 'val/0cat/a_m_1.png'),
        str(root / 'val/0cat/a_m_2.png'),
    ]
    assert (
        infos[0]['ignore_path'] == str(root / 'val/0cat/a_ignore.png')
        and infos[1]['ignore_path'] is None
    )


def test_training_cannot_read_masks(root, monkeypatch):
    messages = []
    monkeypatch.setattr(openimages, 'print_log', lambda message, **kwargs: messages.append(message))
    (root / 'metadata/val/localization.txt').unlink()
    for split in ('train', 'val'):
        info = OpenImagesWSOLDataset(data_root=str(root), split=split).get_data_info(0)
        assert (
            info['gt_tags'] == [0]
            and not {'mask_paths', 'ignore_path', 'seg_map_path'} & info.keys()
        )
    # train has none
    assert 'mask_paths' not in OpenImagesWSOLDataset(
        data_root=str(root), test_mode=True
    ).get_data_info(0)
    assert len(messages) == 2 and messages[0].endswith('1 images, OpenImages-WSOL train has 29819')


def test_mask_of_the_protocol(root):
    data = OpenImagesWSOLDataset(
        data_root=str(root),
        split='val',
        test_mode=True,
        pipeline=[LoadImage(), LoadWSOLMask(), PackTagInputs()],
    )
    sample = data[0]['data_samples']
    target = sample.gt_sem_seg.data[0].numpy()
    assert target.shape == sample.ori_shape == (224, 224) and sample.img_shape == (30, 50)
    rows, columns = np.arange(224) * 60 // 224, np.arange(224) * 100 // 224
    expected = np.where(rows[:, None] >= 30, 255, 0) * np.ones((1, 224), int)
    expected[:, columns < 20] = 1
    expected[np.ix_((rows >= 20) & (rows < 40), (columns >= 30) & (columns < 60))] = 1
    np.testing.assert_array_equal(target, expected)
    assert sorted(np.unique(data[1]['data_samples'].gt_sem_seg.data)) == [0, 8]
    item = dict(img_path='x.jpg', gt_tags=[0, 1], mask_paths=[])
    with pytest.raises(
        ValueError, match='x.jpg: LoadWSOLMask expects images of one class, this image has 2'
    ):
        LoadWSOLMask()(item)
    assert LoadWSOLMask()(dict(gt_tags=[0])) == dict(gt_tags=[0])


def test_pipeline_of_the_config(root):
    """Squashed views, and a mask of the size of the maps."""
    config = Config.fromfile(CONFIGS / 'mctformer_plus_openimages.py')
    config.merge_from_dict({'test_dataloader.dataset.data_root': str(root)})
    item = DATASETS.build(dataset_of_split(config, 'val', masks=True))[0]
    assert [tuple(view.shape) for view in item['inputs']] == [
        (3, 448, 448),
        (3, 336, 336),
        (3, 560, 560),
    ]
    assert item['data_samples'].gt_sem_seg.shape == item['data_samples'].ori_shape == (224, 224)
    # for CAM files: no masks, and maps of the size of the image
    item = DATASETS.build(dataset_of_split(config, 'val'))[2]
    sample = item['data_samples']
    assert (
        'gt_sem_seg' not in sample
        and sample.ori_shape == (30, 50)
        and sample.img_id == 'val/0cat/b'
    )
    (root / 'list.txt').write_text('val/0cat/b\n')
    assert (
        len(DATASETS.build(dict(dataset_of_split(config, str(root / 'list.txt')), split='val')))
        == 1
    )


def test_bad_files(root):
    lists = root / 'metadata' / 'val'
    load = dict(data_root=str(root), split='val', test_mode=True)
    with pytest.raises(ValueError, match="split='valid'"):
        OpenImagesWSOLDataset(split='valid')
    (root / 'val/0cat/a_m_2.png').unlink()
    with pytest.raises(FileNotFoundError, match='1 of 5 mask files not found .*a_m_2.png'):
        OpenImagesWSOLDataset(**load)
    (lists / 'localization.txt').write_text(f'{ONE},val/0cat/a_m_1.png\n')
    with pytest.raises(ValueError, match='localization.txt, line 1: expected 3 fields'):
        OpenImagesWSOLDataset(**load)
    (lists / 'localization.txt').write_text(f'{ONE},val/0cat/a_m_1.png,\n')
    with pytest.raises(
        ValueError, match='localization.txt: 2 images have no mask: val/9dog/c, val/0cat/b'
    ):
        OpenImagesWSOLDataset(**load)
    (lists / 'class_labels.txt').write_text(f'{ONE},100\n')
    with pytest.raises(
        ValueError, match="class_labels.txt, line 1: '100' is not a class number 0..99"
    ):
        OpenImagesWSOLDataset(**load)
    (lists / 'class_labels.txt').unlink()
    with pytest.raises(
        FileNotFoundError, match='class_labels.txt: .* not found. OpenImages-WSOL is expected'
    ):
        OpenImagesWSOLDataset(**load)
