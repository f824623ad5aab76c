"""ImageTagDataset: what an item holds, and which message each kind of bad data gives."""

import shutil

import pytest
from mmengine.dataset import ClassBalancedDataset

from mmwsss.datasets import ImageTagDataset
from mmwsss.registry import DATASETS

MASKS = {'img_path': 'JPEGImages', 'seg_map_path': 'SegmentationClass'}


def build(root, **kwargs):
    return ImageTagDataset(data_root=str(root), **{'classes': 'classes.txt', **kwargs})


def add_image(root, name, source='a.jpg'):
    target = root / 'JPEGImages' / name
    target.parent.mkdir(exist_ok=True)
    shutil.copy(root / 'JPEGImages' / source, target)


def test_items_in_the_order_of_the_list(photos):
    data = build(photos, ann_file='train.txt')
    assert [data.get_data_info(index) for index in range(2)] == [
        {
            'img_id': 'b',
            'img_path': str(photos / 'JPEGImages' / 'b.jpg'),
            'gt_tags': [0, 1],
            'num_tags': 2,
            'sample_idx': 0,
        },
        {
            'img_id': 'a',
            'img_path': str(photos / 'JPEGImages' / 'a.jpg'),
            'gt_tags': [0],
            'num_tags': 2,
            'sample_idx': 1,
        },
    ]
    assert data.num_tags == 2
    assert data.metainfo['classes'] == ('background', 'dog', 'cat')
    assert data.metainfo['palette'] == [[0, 0, 0], [128, 0, 0], [0, 128, 0]]


def test_without_a_list_every_tagged_image_is_used_and_no_tag_is_valid(photos):
    data = build(photos)
    assert [data.get_data_info(index)['gt_tags'] for index in range(len(data))] == [
        [0],
        [0, 1],
        [],
        [1],
    ]


@pytest.mark.parametrize('serialize_data', [True, False])
def test_training_never_knows_a_mask(photos, serialize_data):
    data = build(photos, data_prefix=MASKS, serialize_data=serialize_data)
    assert 'seg_map_path' not in data.data_prefix
    for index in range(len(data)):
        info = data.get_data_info(index)
        assert info.keys() == {'img_id', 'img_path', 'gt_tags', 'num_tags', 'sample_idx'}
        assert 'SegmentationClass' not in str(info)
    shutil.rmtree(photos / 'SegmentationClass')
    assert len(build(photos, data_prefix=MASKS)) == 4


def test_training_refuses_to_load_a_mask(photos):
    pipeline = [{'type': 'mmwsss.LoadImage'}, {'type': 'mmwsss.LoadMask'}]
    with pytest.raises(ValueError, match='a.jpg: LoadMask finds no .* test mode only'):
        build(photos, data_prefix=MASKS, pipeline=pipeline)[0]


def test_masks_in_test_mode(photos):
    data = build(photos, data_prefix=MASKS, test_mode=True)
    assert [data.get_data_info(index)['seg_map_path'] for index in range(4)] == [
        str(photos / 'SegmentationClass' / f'{name}.png') for name in 'abcd'
    ]
    assert 'seg_map_path' not in build(photos, test_mode=True).get_data_info(0)


def test_through_the_registry_with_a_pipeline(photos):
    data = DATASETS.build(
        {
            'type': 'mmwsss.ImageTagDataset',
            'data_root': str(photos),
            'metainfo': {'classes': ['background', 'dog', 'cat']},
            'data_prefix': MASKS,
            'test_mode': True,
            'pipeline': [
                {'type': 'mmwsss.LoadImage'},
                {'type': 'mmwsss.LoadMask'},
                {'type': 'mmwsss.PackTagInputs'},
            ],
        }
    )
    item = data[1]
    assert item['inputs'].shape == (3, 12, 16)
    assert item['data_samples'].gt_tags.tolist() == [1, 1]
    assert item['data_samples'].gt_sem_seg.data.shape == (1, 12, 16)
    assert item['data_samples'].img_id == 'b'


def test_classes_from_the_tags(photos):
    data = build(photos, classes=None, lazy_init=True)
    assert data.metainfo['classes'] == ('background', 'cat', 'dog')
    assert data.get_cat_ids(0) == [1]
    (photos / 'image_tags.csv').write_text('image,tags\na,\n')
    with pytest.raises(ValueError, match='image_tags.csv: no image has a tag'):
        build(photos, classes=None)


def test_names_with_extension_other_suffixes_and_folders(photos):
    add_image(photos, 'e.JPG')
    add_image(photos, 'trip/f.jpeg')
    add_image(photos, '10.5.jpg')
    (photos / 'image_tags.csv').write_text(
        'image,tags\na.jpg,dog\ne.JPG,cat\ntrip/f,dog\n10.5,dog\n'
    )
    (photos / 'list.txt').write_text('e\ntrip/f.jpeg\na.jpg\n10.5\n')
    data = build(photos, ann_file='list.txt')
    infos = [data.get_data_info(index) for index in range(4)]
    assert [info['img_id'] for info in infos] == ['e', 'trip/f', 'a', '10.5']
    assert [info['img_path'][len(str(photos)) + 12 :] for info in infos] == [
        'e.JPG',
        'trip/f.jpeg',
        'a.jpg',
        '10.5.jpg',
    ]
    assert [info['gt_tags'] for info in infos] == [[1], [0], [0], [0]]


def test_the_first_suffix_that_exists_is_taken(photos):
    add_image(photos, 'a.png')
    (photos / 'image_tags.csv').write_text('image,tags\na,dog\n')
    assert build(photos, img_suffix='.png').get_data_info(0)['img_path'].endswith('a.png')
    assert build(photos, img_suffix=('.png', '.jpg')).get_data_info(0)['img_path'].endswith('a.png')
    assert build(photos, img_suffix=('.jpg', '.png')).get_data_info(0)['img_path'].endswith('a.jpg')


def test_json_tags(photos):
    (photos / 'tags.json').write_text('{"a": ["dog"], "b": []}')
    data = build(photos, tags_file='tags.json')
    assert [data.get_data_info(index)['gt_tags'] for index in range(2)] == [[0], []]


def test_images_without_tags_in_test_mode_only(photos):
    info = build(photos, tags_file=None, ann_file='train.txt', test_mode=True).get_data_info(0)
    assert 'gt_tags' not in info
    with pytest.raises(ValueError, match='training needs image tags'):
        build(photos, tags_file=None)
    with pytest.raises(ValueError, match='ann_file'):
        build(photos, tags_file=None, test_mode=True)
    with pytest.raises(ValueError, match='classes must be given'):
        build(photos, tags_file=None, classes=None, test_mode=True)


def test_indices_and_wrappers(photos):
    assert [build(photos, indices=[2, 0]).get_data_info(index)['img_id'] for index in range(2)] == [
        'c',
        'a',
    ]
    assert len(build(photos, indices=3)) == 3
    assert len(ClassBalancedDataset(build(photos), oversample_thr=0.9)) >= 4


@pytest.mark.parametrize(
    'table, message',
    [
        (
            'image,tags\na,dgo\n',
            "image 'a' has the tag 'dgo', which is not a known class; did you mean 'dog'",
        ),
        ('image,tags\na,zebra\n', "'zebra', which is not a known class; classes are dog, cat"),
        ('image,tags\na,background\n', "'background', which is not a known class"),
        ('image,tags\na,dog\na,cat\n', "line 3: image 'a' is listed twice"),
        ('image,tags\na,dog\na.jpg,cat\n', "'a' and 'a.jpg' are the same image id"),
        ('a,dog\n', 'line 1: expected the header'),
        ('image,tags\n', 'names no image'),
    ],
)
def test_bad_tag_files(photos, table, message):
    (photos / 'image_tags.csv').write_text(table)
    with pytest.raises(ValueError, match=f'image_tags.csv.*{message}'):
        build(photos)


def test_bad_lists(photos):
    (photos / 'list.txt').write_text('a\nz\n')
    with pytest.raises(ValueError, match='image_tags.csv: 1 images of .*list.txt have no row: z'):
        build(photos, ann_file='list.txt')
    (photos / 'list.txt').write_text('a\na\n')
    with pytest.raises(ValueError, match='list.txt, line 2'):
        build(photos, ann_file='list.txt')


def test_missing_files_and_folders(photos):
    with pytest.raises(FileNotFoundError, match='nowhere.*image_tags.csv: tag file .* not found'):
        build(photos / 'nowhere', classes=['background', 'dog', 'cat'])
    with pytest.raises(FileNotFoundError, match='none.txt: image list .* not found. Ask me'):
        build(photos, ann_file='none.txt', setup_hint='Ask me')
    with pytest.raises(
        FileNotFoundError, match='Images: image folder not found, expected files like a.jpg in it'
    ):
        build(photos, data_prefix={'img_path': 'Images'})
    with pytest.raises(FileNotFoundError, match='SegmentationX: mask folder not found'):
        build(
            photos,
            data_prefix={'img_path': 'JPEGImages', 'seg_map_path': 'SegmentationX'},
            test_mode=True,
        )
    (photos / 'SegmentationClass' / 'c.png').unlink()
    with pytest.raises(FileNotFoundError, match='1 of 4 mask files not found .*: c'):
        build(photos, data_prefix=MASKS, test_mode=True)


def test_at_most_20_missing_images_are_named(photos):
    names = [f'x{number:02}' for number in range(25)]
    (photos / 'image_tags.csv').write_text(
        'image,tags\na,dog\n' + ''.join(f'{name},dog\n' for name in names)
    )
    with pytest.raises(FileNotFoundError) as error:
        build(photos)
    assert '25 of 26 image files not found (suffix .jpg or .jpeg or .png' in str(error.value)
    assert '): x00, x01' in str(error.value)
    assert 'x19, ...' in str(error.value) and 'x20' not in str(error.value)


def test_an_unreadable_image_is_named_and_not_replaced_by_another(photos):
    (photos / 'JPEGImages' / 'a.jpg').write_bytes(b'no image')
    data = build(photos, pipeline=[{'type': 'mmwsss.LoadImage'}])
    with pytest.raises(ValueError, match='a.jpg: unreadable image'):
        data[0]
    data = build(photos, pipeline=[lambda results: None])
    for index, name in enumerate('abcd'):
        with pytest.raises(
            ValueError, match=f'{name}.jpg: a transform of the pipeline dropped this image'
        ):
            data[index]


@pytest.mark.parametrize(
    'classes, message',
    [
        (['dog', 'cat'], "must be 'background'"),
        ([], "must be 'background'"),
        (['background'], "only 'background' is listed"),
        (['background', 'dog', 'dog'], 'twice: ..dog'),
    ],
)
def test_bad_classes(photos, classes, message):
    with pytest.raises(ValueError, match=message):
        build(photos, classes=classes)
    (photos / 'classes.txt').write_text('\n'.join(classes))
    with pytest.raises(ValueError, match=f'classes.txt: .*{message}'):
        build(photos)


def test_missing_class_file(photos):
    with pytest.raises(FileNotFoundError, match='other.txt: class file not found'):
        build(photos, classes='other.txt')
