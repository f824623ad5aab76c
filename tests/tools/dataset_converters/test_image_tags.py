"""The tool that makes a data set of own photos and tags."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mmwsss.datasets import ImageTagDataset
from mmwsss.utils.io import read_tags, write_json
from tests.tools.dataset_converters.test_voc_aug import cut
from tests.tools.program import one_line, run_tool

TAGS = {'a': ['traffic light', 'dog'], 'b': ['dog'], 'c': [], 'trip/d': ['cat']}
CLASSES = ['background', 'cat', 'dog', 'traffic light']


@pytest.fixture
def photos(tmp_path):
    """Folder of four photos, one in a folder of its own."""
    folder = tmp_path / 'photos'
    for number, name in enumerate(TAGS):
        save(folder / f'{name}.jpg', number)
    return folder


def save(path, number=0, size=(20, 24)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(number).integers(0, 256, (*size, 3), np.uint8)).save(path)


def image_tags(source, photos, *args):
    return run_tool(
        'dataset_converters/image_tags.py',
        source,
        '--images',
        photos,
        '--out',
        photos.parent / 'out',
        '--workers',
        0,
        *args,
    )


def wrote(photos):
    """Names of the files of the data set, below the photos' folder."""
    return sorted(path.name for path in (photos.parent / 'out').glob('*'))


def coco():
    return {
        'images': [
            {'id': number, 'file_name': f'{name}.jpg'} for number, name in enumerate(TAGS, 5)
        ],
        'categories': [
            {'id': 9, 'name': 'traffic light'},
            {'id': 2, 'name': 'dog'},
            {'id': 4, 'name': 'cat'},
        ],
        'annotations': [
            {'image_id': 5, 'category_id': 9},
            {'image_id': 5, 'category_id': 2},
            {'image_id': 5, 'category_id': 9},
            {'image_id': 6, 'category_id': 2},
            {'image_id': 8, 'category_id': 4},
        ],
    }


def mmpretrain():
    return {
        'metainfo': {'classes': ['cat', 'dog', 'traffic light']},
        'data_list': [
            {'img_path': 'a.jpg', 'gt_label': [2, 1]},
            {'img_path': 'b.jpg', 'gt_label': 1},
            {'img_path': 'c.jpg', 'gt_label': []},
            {'img_path': 'trip/d.jpg', 'gt_label': [0]},
        ],
    }


SOURCES = {
    'tags.csv': 'image,tags\na,"traffic light" dog\nb.jpg,dog\nc,\ntrip/d,cat\n',
    'semicolons.csv': 'file;labels\na;traffic light|dog\nb;dog\nc;\nd;cat\n',
    'long.csv': 'filename,label\na.jpg,traffic '
    'light\na.jpg,dog\nb.jpg,dog\nc.jpg,\nphotos/trip/d.jpg,cat\n',
    'columns.csv': 'image,cat,dog,traffic light\na,0,1,1\nb,0,1,0\nc,0,0,0\ntrip/d,1,0,0\n',
    'columns.tsv': 'image\tcat\tdog\ttraffic '
    'light\na\tno\tyes\tyes\nb\t\tx\t\nc\t\t\t\nC:\\me\\d.jpg\tTrue\tFalse\tFalse\n',
    'map.json': json.dumps({'a': ['traffic light', 'dog'], 'b': 'dog', 'c': [], 'd': ['cat']}),
    'mmpretrain.json': json.dumps(mmpretrain()),
    'coco.json': json.dumps(coco()),
}


@pytest.mark.parametrize('name', SOURCES)
def test_every_format_gives_the_same_data_set(name, photos, tmp_path):
    (tmp_path / name).write_text(SOURCES[name])
    result = image_tags(tmp_path / name, photos)
    assert result.code == 0, result
    out = tmp_path / 'out'
    table = {key: sorted(tags) for key, tags in read_tags(out / 'image_tags.csv').items()}
    assert table == {f'{key}.jpg': sorted(tags) for key, tags in TAGS.items()}
    classes = (out / 'classes.txt').read_text().split('\n')[:-1]
    assert classes == (
        ['background', 'dog', 'cat', 'traffic light'] if name == 'coco.json' else CLASSES
    )
    assert (out / 'all.txt').read_text().split() == list(TAGS)
    data = ImageTagDataset(data_root=str(out), ann_file='all.txt', classes='classes.txt')
    assert [info['img_id'] for info in map(data.get_data_info, range(4))] == list(TAGS)
    assert (out / 'JPEGImages/trip/d.jpg').is_symlink() and len(
        data.get_data_info(0)['gt_tags']
    ) == 2
    assert f'data_root={out} model.num_classes=3' in result.out
    # its own result, in its place
    assert image_tags(out / 'image_tags.csv', out / 'JPEGImages').code == 0


def test_a_folder_per_tag(tmp_path):
    root = tmp_path / 'folders'
    for folder, names in {'dog': 'ab', 'traffic light': 'a', 'background': 'c', 'cat': 'd'}.items():
        for name in names:
            save(root / folder / f'{name}.jpg', ord(name))
    args = '--out', tmp_path / 'out', '--workers', 0
    result = run_tool('dataset_converters/image_tags.py', root, '--copy', *args)
    assert result.code == 0, result
    assert read_tags(tmp_path / 'out/image_tags.csv') == {
        'a.jpg': ['dog', 'traffic light'],
        'b.jpg': ['dog'],
        'c.jpg': [],
        'd.jpg': ['cat'],
    }
    assert (
        not (tmp_path / 'out/JPEGImages/a.jpg').is_symlink()
        and len(ImageTagDataset(data_root=str(tmp_path / 'out'))) == 4
    )
    save(root / 'cat' / 'b.jpg', 99)
    (root / 'bird').mkdir()
    result = run_tool(
        'dataset_converters/image_tags.py', root, '--out', tmp_path / 'new', '--workers', 0
    )
    assert result.code == 1 and '2 problems' in result.err and not (tmp_path / 'new').exists()
    assert (
        f'different photos of one name; rename one\n  {root}/dog/b.jpg: not the same as '
        f'{root}/cat/b.jpg' in result.err
    )
    assert f'empty folder\n  {root}/bird' in result.err


def test_a_folder_per_tag_can_be_read_again(tmp_path):
    root = tmp_path / 'folders'
    for number, name in enumerate(('dog', 'cat')):
        save(root / name / f'{number}.jpg', number)
    save(root / 'SegmentationClass' / '0.png')
    command = 'dataset_converters/image_tags.py', root, '--workers', 0
    # the second time, classes come from the folders again
    for tables in ((), ('classes.txt',), ()):
        for name in tables:
            (root / name).unlink()
        result = run_tool(*command)
        assert result.code == 0 and '0 problems' in result.err, result
        assert read_tags(root / 'image_tags.csv') == {'1.jpg': ['cat'], '0.jpg': ['dog']}
        assert (root / 'classes.txt').read_text().split() == ['background', 'cat', 'dog']
    assert f'not of a tag (left out) (2)\n  {root}/JPEGImages' in result.err
    for _ in range(2):
        result = run_tool(*command, '--out', root / 'out')
        assert result.code == 0 and read_tags(root / 'out/image_tags.csv') == {
            '1.jpg': ['cat'],
            '0.jpg': ['dog'],
        }, result
    assert f'{root}/out' in result.err


def test_a_folder_without_tags(tmp_path):
    save(tmp_path / 'folders/JPEGImages/a.jpg')
    result = run_tool('dataset_converters/image_tags.py', tmp_path / 'folders', '--workers', 0)
    assert (
        result.code == 1 and '1 problem,' in result.err and 'no folder of a tag in it' in result.err
    )


def test_notes(photos, tmp_path):
    (tmp_path / 'tags.csv').write_bytes(
        '\ufeffimage,tags\r\na,dog car\r\nb,Dog car person\r\nd,dogs persn car\r\n'.encode()
    )
    result = image_tags(tmp_path / 'tags.csv', photos)
    assert result.code == 0, result
    for text in (
        "'Dog' and 'dog': 1 and 1 photos",
        "'dog' and 'dogs': 1 and 1 photos",
        "'persn' and 'person': 1 and 1 photos",
        'byte-order mark',
        'Windows line ends',
        f'photos without a row (they are not used)\n  {photos}/c.jpg',
        'class that every photo shows: no photo without it to learn from\n  car',
        'class of fewer than 10 photos',
        'classes that always occur together cannot be distinguished',
    ):
        assert text in result.err, (text, result.err)
    assert '| car         |      3 | 100.0% |' in result.out and (
        tmp_path / 'out/image_tags.csv'
    ).read_bytes().startswith(b'image,tags\n')
    result = run_tool(
        'dataset_converters/image_tags.py',
        tmp_path / 'tags.csv',
        '--images',
        photos,
        '--out',
        tmp_path / 'joined',
        '--workers',
        0,
        '--rename',
        'Dog=dog',
        'dogs=dog',
        'persn=person',
    )
    assert result.code == 0 and 'near-duplicate' not in result.err
    assert (tmp_path / 'joined/classes.txt').read_text().split() == [
        'background',
        'car',
        'dog',
        'person',
    ]


def test_one_class(photos, tmp_path):
    (tmp_path / 'tags.csv').write_text('image,tags\na,dog\nb,\nc,\nd,dog\n')
    assert 'model.num_classes=1\n' in image_tags(tmp_path / 'tags.csv', photos).out
    data = ImageTagDataset(data_root=str(tmp_path / 'out'), classes='classes.txt')
    assert data.num_tags == 1 and [data.get_data_info(index)['gt_tags'] for index in range(4)] == [
        [0],
        [],
        [],
        [0],
    ]


def test_many_classes(tmp_path):
    photos = tmp_path / 'photos'
    rows = []
    for number in range(200):
        save(photos / f'{number}.png', number, (16, 16))
        rows.append(f'{number},class_{number:03d} class_{(number + 7) % 200:03d}\n')
    (tmp_path / 'tags.csv').write_text('image,tags\n' + ''.join(rows))
    result = image_tags(tmp_path / 'tags.csv', photos)
    assert (
        result.code == 0
        and 'near-duplicate' not in result.err
        and 'model.num_classes=200' in result.out
    )
    assert ImageTagDataset(data_root=str(tmp_path / 'out'), classes='classes.txt').get_data_info(
        199
    )['gt_tags'] == [6, 199]
    (tmp_path / 'more.csv').write_text(
        'image,tags\n0,' + ' '.join(f'tag{number}x' for number in range(255)) + '\n'
    )
    (tmp_path / 'out/classes.txt').unlink()
    result = image_tags(tmp_path / 'more.csv', photos)
    assert result.code == 1 and 'more than 254 classes do not fit a mask' in result.err


def with_table(text):
    return lambda photos: (photos.parent / 'source.csv').write_text(text)


def with_json(change, content):
    def write(photos):
        data = content()
        change(data)
        (photos.parent / 'source.csv').unlink()
        write_json(photos.parent / 'source.json', data)

    return write


def with_text(text):
    def write(photos):
        (photos.parent / 'source.csv').unlink()
        (photos.parent / 'source.json').write_text(text)

    return write


TWICE = '{"a": ["dog"], "b": ["cat"], "a": ["cat"]}'
BAD_COCO = {
    'image without a name': (
        lambda data: data['images'][0].pop('file_name'),
        "images[0]: expected id and file_name, found {'id': 5",
    ),
    'image that is not an object': (
        lambda data: data['images'].append(3),
        'images[4]: expected id and file_name, found 3',
    ),
    'category without a name': (
        lambda data: data['categories'][0].pop('name'),
        "categories[0]: expected id and name, found {'id': 9",
    ),
    'category whose id is a list': (
        lambda data: data['categories'][0].update(id=[9]),
        'categories[0]: expected id and name',
    ),
    'annotation that is not an object': (
        lambda data: data['annotations'].append(None),
        'annotations[5]: expected image_id and category_id',
    ),
    'annotation of a list': (
        lambda data: data['annotations'][0].update(image_id=[5]),
        'annotations[0]: expected image_id and',
    ),
}
BAD = {
    'a row that cannot be read': (with_table('image,tags\na,dog,cat\n'), 'source.csv, line 2: '),
    'image listed twice': (
        with_table('image,tags\na,dog\na,cat\n'),
        "line 3: image 'a' is listed twice",
    ),
    'photo of a row not found': (with_table('image,tags\na,dog\nz,cat\n'), '/z'),
    'row that fits several photos': (lambda photos: save(photos / 'a.png'), 'a: a.jpg, a.png'),
    'two rows of one photo': (with_table('image,tags\na,dog\na.jpg,cat\n'), "a.jpg: as 'a'"),
    'truncated or unreadable image': (lambda photos: cut(photos / 'b.jpg'), 'b.jpg: '),
    'image of less than 16 pixels': (
        lambda photos: save(photos / 'b.jpg', 0, (8, 40)),
        'b.jpg: 40x8',
    ),
    "the tag 'background' is reserved": (with_table('image,tags\na,dog background\n'), 'a'),
    'no image has a tag': (with_table('image,tags\na,\nb,\n'), 'source.csv'),
    'no image in it': (with_table('image,tags\n'), 'source.csv'),
    'annotation of a missing image': (
        with_json(lambda data: data['annotations'][0].update(image_id=1), coco),
        'annotations[0]: image_id 1',
    ),
    'annotation of an unknown category': (
        with_json(lambda data: data['annotations'][0].update(category_id=1), coco),
        'annotations[0]: a.jpg: category_id 1',
    ),
    'label outside the 3 classes': (
        with_json(lambda data: data['data_list'][0].update(gt_label=[3]), mmpretrain),
        'data_list[0]: a.jpg: 3',
    ),
    'image listed twice: JSON': (with_text(TWICE), "source.json: 'a'"),
    'image listed twice: id of COCO': (
        with_json(lambda data: data['images'][1].update(id=5), coco),
        "images[1]: id 5, 'b.jpg'",
    ),
    'image listed twice: file of COCO': (
        with_json(lambda data: data['images'][1].update(file_name='a.jpg'), coco),
        "images[1]: id 6, 'a.jpg'",
    ),
    'category listed twice': (
        with_json(lambda data: data['categories'][1].update(id=9), coco),
        "categories[1]: id 9, 'dog'",
    ),
    'JSON object with a key twice': (
        with_text(SOURCES['coco.json'].replace('{"id": 9', '{"id": 1, "id": 9')),
        "source.json: 'id'",
    ),
    **{
        f'a row that cannot be read: {name}': (with_json(change, coco), detail)
        for name, (change, detail) in BAD_COCO.items()
    },
    '"images" that is not a list': (
        with_json(lambda data: data.update(images={}), coco),
        'source.json: {}',
    ),
    '"metainfo" that is not an object': (
        with_json(lambda data: data.update(metainfo=['cat']), mmpretrain),
        "source.json: ['cat']",
    ),
    '"metainfo" that is not an object: classes': (
        with_json(lambda data: data.update(metainfo={'classes': 3}), mmpretrain),
        "{'classes': 3}",
    ),
    '"data_list" that is not a list': (
        with_json(lambda data: data.update(data_list=3), mmpretrain),
        'source.json: 3',
    ),
    'a row that cannot be read: img_path': (
        with_json(lambda data: data['data_list'][0].update(img_path=['a']), mmpretrain),
        'data_list[0]: expected "img_path"',
    ),
    'column without a name, or two of one name': (with_table('image,dog,dog\na,0,1\n'), "'dog'"),
    'empty folder': (lambda photos: [path.unlink() for path in photos.rglob('*.jpg')], 'photos'),
    'folder of photos not found': (
        lambda photos: photos.rename(photos.parent / 'elsewhere'),
        'photos',
    ),
    'another photo of that name': (
        lambda photos: save(photos.parent / 'out/JPEGImages/a.jpg', 9),
        'out/JPEGImages/a.jpg',
    ),
}


@pytest.mark.parametrize('kind', BAD)
def test_bad_input(kind, photos, tmp_path):
    (tmp_path / 'source.csv').write_text(SOURCES['tags.csv'])
    change, detail = BAD[kind]
    change(photos)
    result = image_tags(next(tmp_path.glob('source.*')), photos)
    assert result.code == 1 and 'Traceback' not in result.err, result
    kind = kind.partition(':')[0]
    assert f'problem: {kind}' in result.err and detail in result.err.split(f'problem: {kind}')[1], (
        result.err
    )
    assert wrote(photos) in ([], ['JPEGImages'])


def test_unknown_tags_and_one_report(photos, tmp_path):
    (tmp_path / 'classes.txt').write_text('background\ndog\ncat\n')
    (tmp_path / 'tags.csv').write_text('image,tags\na,Dog cat\nb,bird\nc,a,b\nz,cat\n')
    cut(photos / 'b.jpg')
    result = image_tags(
        tmp_path / 'tags.csv',
        photos,
        '--classes',
        tmp_path / 'classes.txt',
        '--report',
        tmp_path / 'report.txt',
    )
    assert (
        result.code == 1
        and '5 problems' in result.err
        and (tmp_path / 'report.txt').read_text() in result.err
    )
    for text in ("a: 'Dog', did you mean 'dog'?", "b: 'bird'", 'line 4', '/z', 'b.jpg'):
        assert text in result.err
    assert wrote(photos) == []


def test_not_a_table_at_all(photos, tmp_path):
    assert one_line(
        image_tags(tmp_path / 'none.csv', photos), 'none.csv: neither a file nor a folder'
    )
    for name, text, message in (
        ('a.csv', 'image\na\n', 'expected the header'),
        ('b.csv', '', 'the file is empty'),
        ('c.json', '[]', 'expected an object'),
        ('d.json', '{"data_list": []}', 'give them with --classes'),
    ):
        (tmp_path / name).write_text(text)
        assert one_line(image_tags(tmp_path / name, photos), name, message)
    (tmp_path / 'e.csv').write_bytes('image,tags\na,żółw\n'.encode('cp1250'))
    assert one_line(image_tags(tmp_path / 'e.csv', photos), 'e.csv: not a UTF-8 text file')
    assert image_tags(tmp_path / 'a.csv', photos, '--rename', 'x').code == 2


def test_photos_are_stored_upright(photos, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    with Image.open(photos / 'a.jpg') as image:
        image.save(photos / 'a.jpg', exif=exif)
    (tmp_path / 'tags.csv').write_text('image,tags\na,dog\nb,cat\n')
    for _ in range(2):  # the second time the copy is there already
        result = image_tags(tmp_path / 'tags.csv', photos, '--upright')
        assert result.code == 0, result
    turned, linked = (tmp_path / 'out' / 'JPEGImages' / name for name in ('a.jpg', 'b.jpg'))
    assert linked.is_symlink() and not turned.is_symlink()
    with Image.open(turned) as image:
        assert image.size == (20, 24) and 0x0112 not in image.getexif()
    turned.write_bytes((photos / 'b.jpg').read_bytes())
    result = image_tags(tmp_path / 'tags.csv', photos, '--upright')
    assert result.code == 1 and 'another photo of that name is there already' in result.err


def test_the_next_command_exists_where_one_is(photos, tmp_path, monkeypatch):
    (tmp_path / 'tags.csv').write_text('image,tags\na,dog\nb,cat\n')
    for place, command in (
        (Path(__file__).parents[3], 'train: python tools/train.py configs/mctformer_plus_tags.py'),
        (tmp_path, 'train: mmwsss train mmwsss::mctformer_plus_tags.py --cfg-options data_root='),
    ):
        monkeypatch.chdir(place)
        assert command in image_tags(tmp_path / 'tags.csv', photos).out
