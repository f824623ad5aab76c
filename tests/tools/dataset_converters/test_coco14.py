"""The tool that makes tags and masks of COCO 2014."""

import numpy as np
import pytest
from PIL import Image

from mmwsss.datasets import COCO14TagDataset
from mmwsss.datasets.transforms import LoadImage, LoadMask, PackTagInputs
from mmwsss.preparation.coco_instances import (
    CATEGORY_IDS,
    COCOMaskJob,
    rle_extent,
    write_coco_masks,
)
from mmwsss.utils.io import read_id_list, read_json, read_mask, read_tags
from tests.datasets.coco_tree import (
    SIZE,
    annotation_file,
    change_annotations,
    codes,
    make_coco_tree,
    square,
    stem,
)
from tests.tools.dataset_converters.test_voc_aug import cut
from tests.tools.program import one_line, run_tool

NINE, TWENTY_FIVE, THIRTY, VAL = (
    stem('train', 9),
    stem('train', 25),
    stem('train', 30),
    stem('val', 42),
)


@pytest.fixture
def root(tmp_path):
    return make_coco_tree(tmp_path / 'coco14')


def coco14(root, *args, size=('--any-size',)):
    return run_tool('dataset_converters/coco14.py', root, '--workers', 0, *size, *args)


def plain_mask(root, split, number, overlap):
    """Label map with pycocotools and a loop."""
    from pycocotools.coco import COCO

    data = COCO(str(annotation_file(root, split)))
    entries = data.loadAnns(data.getAnnIds(imgIds=number))
    entries = sorted(entries, key=lambda entry: entry['id'])  # the order of the file
    if overlap == 'smallest':
        entries = sorted(entries, key=lambda entry: entry['area'])
    label = np.zeros(SIZE, np.uint8)
    for entry in entries:
        label[(data.annToMask(entry) > 0) & (label == 0)] = (
            CATEGORY_IDS.index(entry['category_id']) + 1
        )
    return label


@pytest.mark.parametrize('overlap', ['first', 'smallest'])
def test_masks_tags_and_lists(root, overlap):
    result = coco14(root, '--overlap', overlap)
    assert result.code == 0 and '0 problems' in result.err, result
    assert read_tags(root / 'image_tags.csv') == {
        NINE: ['person', 'stop sign', 'bottle'],
        TWENTY_FIVE: ['toothbrush'],
        THIRTY: [],
        VAL: ['stop sign'],
    }
    names = 'train', 'val', 'val_part', 'train_empty'
    lists = {
        name: read_id_list(root / 'ImageSets' / 'Segmentation' / f'{name}.txt') for name in names
    }
    assert lists == {
        'train': [NINE, TWENTY_FIVE],
        'val': [VAL],
        'val_part': [VAL],
        'train_empty': [THIRTY],
    }
    for split, number in (('train', 9), ('train', 25), ('train', 30), ('val', 42)):
        path = root / 'SegmentationClass' / f'{stem(split, number)}.png'
        np.testing.assert_array_equal(read_mask(path, 81), plain_mask(root, split, number, overlap))
        assert Image.open(path).mode == 'P'
    bottle = read_mask(root / 'SegmentationClass' / f'{NINE}.png')[14, 14]
    assert bottle == (1 if overlap == 'first' else 40)
    assert read_json(root / 'SegmentationClass' / 'settings.json')['overlap'] == overlap
    assert '| stop sign      |     1 |   1 |' in result.out


def test_the_data_set_reads_it(root):
    assert coco14(root).code == 0
    data = COCO14TagDataset(
        data_root=str(root),
        ann_file='ImageSets/Segmentation/train.txt',
        test_mode=True,
        pipeline=[LoadImage(), LoadMask(), PackTagInputs()],
    )
    sample = data[0]['data_samples']
    assert (
        len(data) == 2
        and sample.img_id == NINE
        and sample.gt_tags.nonzero().flatten().tolist() == [0, 11, 39]
    )
    assert sorted(sample.gt_sem_seg.data.unique().tolist()) == [0, 1, 12]
    everything = COCO14TagDataset(data_root=str(root))
    assert len(everything) == 4 and 'seg_map_path' not in everything.get_data_info(0)
    assert (root / 'JPEGImages' / f'{VAL}.jpg').is_symlink()


def test_crowds(root):
    assert coco14(root, '--crowd', 'ignore').code == 0
    mask = read_mask(root / 'SegmentationClass' / f'{NINE}.png', 81)
    assert mask[35, 10] == 255 and mask[14, 14] == 1
    assert read_tags(root / 'image_tags.csv')[NINE] == ['person', 'stop sign', 'bottle']
    assert one_line(coco14(root), 'made with other settings (crowd)')


def test_it_can_be_resumed(root):
    assert coco14(root, '--split', 'train').code == 0
    masks = root / 'SegmentationClass'
    (masks / f'{NINE}.png').unlink()
    before = (masks / f'{THIRTY}.png').stat().st_mtime_ns
    result = coco14(root)
    assert (
        result.code == 0
        and (masks / f'{NINE}.png').is_file()
        and (masks / f'{THIRTY}.png').stat().st_mtime_ns == before
    )
    assert len(read_tags(root / 'image_tags.csv')) == 4
    assert one_line(coco14(root, '--overlap', 'smallest'), 'made with other settings (overlap)')


def test_the_part_that_training_validates_on(root):
    def change(content):
        content['images'] = [
            dict(content['images'][0], id=number, file_name=f'{stem("val", number)}.jpg')
            for number in range(5010)
        ]
        content['annotations'] = [
            dict(content['annotations'][0], id=number, image_id=number)
            for number in range(5009, 1, -1)
        ]

    change_annotations(root, 'val', change)
    assert coco14(root, '--split', 'val', '--tags-only', '--without-images').code == 0
    everything, part = (
        read_id_list(root / 'ImageSets' / 'Segmentation' / f'{name}.txt')
        for name in ('val', 'val_part')
    )
    assert len(everything) == 5008 and part == everything[:5000] and part[0] == stem('val', 2)


def test_tags_only(root):
    assert coco14(root, '--tags-only', '--without-images').code == 0
    assert sorted(path.name for path in root.iterdir()) == [
        'ImageSets',
        'annotations',
        'image_tags.csv',
        'train2014',
        'val2014',
    ]


def test_compressed_runs(root):
    """RLE as other tools write it."""

    def change(content):
        for entry in content['annotations']:
            if isinstance(entry['segmentation'], dict):
                rle = codes.frPyObjects(entry['segmentation'], *SIZE)
                entry['segmentation'] = {'size': rle['size'], 'counts': rle['counts'].decode()}

    expected = plain_mask(root, 'train', 9, 'first')
    change_annotations(root, 'train', change)
    assert coco14(root).code == 0
    np.testing.assert_array_equal(read_mask(root / 'SegmentationClass' / f'{NINE}.png'), expected)


def test_polygons_without_area(root):
    for split, polygons in (
        ('train', [[1, 2, 3, 4], square(5, 5, 20), [1, 2, 3, 4, 5, 6, 7]]),
        ('val', []),
    ):
        edit(split, segmentation=polygons)(root)
    result = coco14(root)
    assert result.code == 0 and 'polygons of fewer than three points' in result.err, result
    masks = root / 'SegmentationClass'
    assert (
        read_mask(masks / f'{NINE}.png')[14, 14] == 1 and not read_mask(masks / f'{VAL}.png').any()
    )
    assert read_tags(root / 'image_tags.csv')[VAL] == ['stop sign']


def edit(split='train', **fields):
    """Change fields of the first annotation; None removes one."""

    def change(content):
        content['annotations'][0].update(fields)
        for key in [key for key, value in fields.items() if value is None]:
            content['annotations'][0].pop(key)

    return lambda root: change_annotations(root, split, change)


def edit_image(**fields):
    """Change fields of the validation image."""
    return lambda root: change_annotations(
        root, 'val', lambda content: content['images'][0].update(fields)
    )


def images_last(root):
    """A file whose annotations come before its images, with an RLE of another size."""

    def change(content):
        content['annotations'][0]['segmentation'] = {'size': [3, 3], 'counts': [4, 5]}
        content['images'] = content.pop('images')

    change_annotations(root, 'train', change)


NO_FIT, NO_SHAPE, WRONG_IMAGE = (
    'RLE that does not fit its image',
    'segmentation that is neither',
    'image with a field of another type',
)
BAD = {
    'category outside the 80 of COCO 2014': (edit(category_id=12), 'annotation 1: category_id 12'),
    'annotations of an image that the file does not list': (
        edit(image_id=77),
        'image 77, 1 annotations',
    ),
    'annotation without a field': (edit(category_id=None), 'annotation 1: category_id'),
    'segmentation that is neither': (edit(segmentation=[1, 2, 3]), 'annotation 1: [1, 2, 3]'),
    'annotated image not found': (
        lambda root: (root / 'train2014' / f'{NINE}.jpg').unlink(),
        f'{NINE}.jpg',
    ),
    'truncated or unreadable image': (
        lambda root: cut(root / 'train2014' / f'{NINE}.jpg'),
        f'{NINE}.jpg',
    ),
    'image of another size': (
        lambda root: Image.new('RGB', (5, 6)).save(root / 'train2014' / f'{NINE}.jpg'),
        f'{NINE}.jpg: 5x6, annotated as 60x40',
    ),
    'unreadable annotation file': (
        lambda root: cut(annotation_file(root, 'val')),
        'instances_val2014.json: not a complete JSON file',
    ),
    'annotation file not found': (
        lambda root: annotation_file(root, 'val').unlink(),
        'instances_val2014.json',
    ),
    'image listed twice': (
        lambda root: change_annotations(
            root, 'train', lambda content: content['images'].append(content['images'][0])
        ),
        f'{TWENTY_FIVE}.jpg',
    ),
    'image without a field': (
        lambda root: change_annotations(
            root, 'val', lambda content: content['images'][0].pop('height')
        ),
        'image 42: height',
    ),
    'no image in an annotation file': (
        lambda root: annotation_file(root, 'val').write_text('{}'),
        'instances_val2014.json',
    ),
    'category of another name': (
        lambda root: change_annotations(
            root, 'train', lambda content: content['categories'][0].update(name='animal')
        ),
        "1: 'animal', expected 'person'",
    ),
    f'{NO_FIT}: size': (
        edit(segmentation={'size': [3, 3], 'counts': [4, 5]}),
        'annotation 1: its mask is 3x3 with runs of 9 pixels, the image 60x40',
    ),
    f'{NO_FIT}: images last': (
        images_last,
        'annotation 1: its mask is 3x3 with runs of 9 pixels, the image 60x40',
    ),
    f'{NO_FIT}: an early end': (
        edit(segmentation={'size': [*SIZE], 'counts': [4, 5]}),
        'with runs of 9 pixels, the image 60x40',
    ),
    f'{NO_FIT}: no RLE string': (
        edit(segmentation={'size': [*SIZE], 'counts': '!!'}),
        'with damaged runs, the image 60x40',
    ),
    f'{NO_SHAPE}: size': (
        edit(segmentation={'size': 5, 'counts': [5]}),
        "annotation 1: {'size': 5",
    ),
    f'{NO_SHAPE}: None': (edit(segmentation=[[1, 2, None, 4, 5, 6]]), 'annotation 1: [[1, 2, None'),
    f'{NO_SHAPE}: NaN': (
        edit(segmentation=[[1, 2, 3, float('nan'), 5, 6]]),
        'annotation 1: [[1, 2, 3, nan',
    ),
    f'{NO_SHAPE}: far out': (
        edit(segmentation=[[1, 2, 1e30, 4, 5, 6]]),
        'annotation 1: [[1, 2, 1e+30',
    ),
    'annotation that is not an object': (
        lambda root: change_annotations(
            root, 'val', lambda content: content['annotations'].append('box')
        ),
        'instances_val2014.json: annotation at byte ',
    ),
    'annotation whose image_id is not an integer': (
        edit(image_id='9'),
        "annotation 1: image_id '9'",
    ),
    'annotation whose area is not a number': (edit(area='9'), "annotation 1: area '9'"),
    'category outside the 80 of COCO 2014: a list': (
        edit(category_id=[1]),
        'annotation 1: category_id [1]',
    ),
    'category outside the 80 of COCO 2014: id': (
        lambda root: change_annotations(
            root, 'train', lambda content: content['categories'][0].update(id=[1])
        ),
        "category_id [1], 'person'",
    ),
    'category that is not an object': (
        lambda root: change_annotations(
            root, 'val', lambda content: content['categories'].append(3)
        ),
        'instances_val2014.json: 3',
    ),
    'image that is not an object': (
        lambda root: change_annotations(root, 'val', lambda content: content['images'].append([1])),
        '[1]',
    ),
    f'{WRONG_IMAGE}: id': (edit_image(id='42'), "image '42': id '42'"),
    f'{WRONG_IMAGE}: file_name': (edit_image(file_name=42), 'image 42: file_name 42'),
    f'{WRONG_IMAGE}: height': (edit_image(height='40'), "image 42: height '40'"),
    'no annotated image in an annotation file': (
        lambda root: change_annotations(root, 'train', lambda content: content.pop('annotations')),
        'instances_train2014.json',
    ),
}


@pytest.mark.parametrize('kind', BAD)
def test_bad_input(kind, root):
    change, detail = BAD[kind]
    change(root)
    result = coco14(root)
    assert result.code == 1 and 'Traceback' not in result.err
    assert f'problem: {kind.partition(":")[0]}' in result.err and detail in result.err, result.err
    assert sorted(path.name for path in root.iterdir()) == ['annotations', 'train2014', 'val2014']


@pytest.mark.parametrize('packed', [False, True])
def test_the_extent_of_run_lengths(packed):
    generator = np.random.default_rng(0)
    for density in (0, 0.02, 0.5, 1):
        rle = codes.encode(np.asfortranarray(generator.random((37, 300)) < density, dtype=np.uint8))
        shape = {'size': rle['size'], 'counts': rle['counts'].decode()}
        if not packed:
            shape['counts'] = [11_000, 100]
        assert rle_extent(shape) == (37, 300, 37 * 300)
    assert (
        rle_extent({'size': [2, 2], 'counts': '\u00e9'})[2]
        == rle_extent({'size': [2, 2], 'counts': 'P'})[2]
        == -1
    )
    assert rle_extent({'size': [2, 2], 'counts': [5, -1]}) == (2, 2, -1) and rle_extent(
        {'size': [2, 2], 'counts': []}
    ) == (2, 2, 0)


def test_a_segmentation_that_cannot_be_decoded_is_named(root):
    edit(segmentation={'size': [3, 3], 'counts': [4, 5]})(root)
    file = annotation_file(root, 'train')
    data = file.read_text(encoding='utf-8')
    start = data.index('{"id": 1, "image_id": 9')
    length = data.index('}, {"id": 2') + 1 - start
    place = len(data[:start].encode()), len(data[start : start + length].encode())
    job = COCOMaskJob(str(file), (place,), SIZE, str(root / 'a.png'), 'first', 'paint')
    assert write_coco_masks([job]) == [
        (str(root / 'a.png'), 'annotation 1: its mask is 3x3, the image 60x40')
    ]
    assert not (root / 'a.png').exists()


def test_one_report_of_everything(root, tmp_path):
    for kind in (
        'category outside the 80 of COCO 2014',
        'truncated or unreadable image',
        'unreadable annotation file',
    ):
        BAD[kind][0](root)
    result = coco14(root, '--report', tmp_path / 'report.txt', size=())
    assert result.code == 1 and '4 problems' in result.err
    assert (
        '3 images, 2 with an annotation, officially 82,783 images, 82,081 with an annotation'
        in result.err
    )
    assert (tmp_path / 'report.txt').read_text() in result.err
