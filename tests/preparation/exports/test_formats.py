"""Every annotation format: what was written is read back, and what is foreign is refused."""

import json
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import yaml
from PIL import Image
from pycocotools.coco import COCO

from mmwsss.preparation.exports import FORMATS, MaskItem
from mmwsss.preparation.exports.label_studio import decode_brush, encode_brush
from mmwsss.preparation.exports.palette import geo_tags
from tests.functional.test_polygons import random_mask

CLASSES = ('background', 'traffic light', 'dog')
ALL = pytest.mark.parametrize('name', FORMATS)


@pytest.fixture
def items(tmp_path):
    """Three masks, one of them empty, one in a subfolder; no ignored pixels."""
    masks = [random_mask(1), np.zeros((20, 30), np.uint8), random_mask(2, (64, 41))]
    found = []
    for name, mask in zip(('a', 'empty', 'trip/b'), masks):
        path = tmp_path / 'images' / f'{name}.jpg'
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new('RGB', mask.shape[::-1], (90, 120, 60)).save(path)
        found.append(MaskItem(name, path, np.where(mask == 255, 0, mask)))
    return found


@ALL
def test_round_trip(name, items, tmp_path):
    exporter = FORMATS[name](CLASSES, tolerance=0.0)
    if name == 'labelstudio':  # a task without a region has no size to read
        items = [item for item in items if item.mask.any()]
    exporter.write(iter(items), tmp_path / 'out')
    found = {entry.id: entry.mask for entry in exporter.read(tmp_path / 'out', tmp_path / 'images')}
    assert {*found} == {item.id for item in items}
    for item in items:
        assert np.array_equal(found[item.id], item.mask), item.id
    assert not [*(tmp_path / 'out').rglob('*.part')]


def test_coco_polygons_as_pycocotools_reads_them(items, tmp_path, capsys):
    FORMATS['coco'](CLASSES, polygons=True, tolerance=0.0).write(iter(items), tmp_path)
    coco = COCO(tmp_path / 'annotations.json')
    for number, item in enumerate(items, 1):
        annotations = coco.loadAnns(coco.getAnnIds(number))
        covered = np.zeros(item.mask.shape, bool)
        for entry in annotations:
            covered |= coco.annToMask(entry).astype(bool)
        # pycocotools rounds outlines of its own, so that pixels on the border may differ
        assert (covered != (item.mask > 0)).mean() < 0.05
        assert sum(entry['area'] for entry in annotations) == (item.mask > 0).sum()
    assert [entry['name'] for entry in coco.cats.values()] == list(CLASSES[1:])


def test_content_for_the_tools(items, tmp_path):
    for name, kind in FORMATS.items():
        kind(CLASSES).write(iter(items), tmp_path / name)
    shape = json.loads((tmp_path / 'labelme' / 'trip' / 'b.json').read_text())
    assert (tmp_path / 'labelme' / 'trip' / shape['imagePath']).resolve() == items[2].image
    root = ElementTree.parse(tmp_path / 'cvat' / 'annotations.xml').getroot()
    assert [label.findtext('name') for label in root.iter('label')] == list(CLASSES[1:])
    assert root.findall('image')[2].attrib['name'] == 'trip/b.jpg'
    task = json.loads((tmp_path / 'labelstudio' / 'tasks.json').read_text())[0]
    assert task['data']['image'].startswith('/data/local-files/?d=')
    assert 'traffic light' in (tmp_path / 'labelstudio' / 'label_config.xml').read_text()
    assert yaml.safe_load((tmp_path / 'yolo' / 'data.yaml').read_text())['names'] == dict(
        enumerate(CLASSES[1:])
    )
    assert (tmp_path / 'yolo' / 'labels' / 'empty.txt').read_text() == ''


def test_small_regions_can_be_left_out(items, tmp_path):
    exporter = FORMATS['cvat'](CLASSES, min_area=30)
    exporter.write(iter(items[:1]), tmp_path)
    areas = [
        sum(map(int, mask.attrib['rle'].split(',')[1::2]))
        for mask in ElementTree.parse(tmp_path / 'annotations.xml').iter('mask')
    ]
    assert areas and min(areas) >= 30


@pytest.mark.parametrize('seed', range(4))
def test_brush_masks(seed):
    mask = np.random.default_rng(seed).random((23, 31)) > 0.5
    rle = encode_brush(mask)
    assert all(0 <= byte <= 255 for byte in rle)
    assert np.array_equal(decode_brush(rle, mask.shape), mask)
    large = np.zeros((400, 400), bool)
    large[:, 7:] = True
    assert np.array_equal(decode_brush(encode_brush(large), large.shape), large)


def test_brush_masks_without_repetition():
    """Label Studio also writes runs whose values are listed one by one."""
    bits = f'{8:032b}{7:05b}{2:04b}{3:04b}{7:04b}{15:04b}' + '0' + '00' + '111'
    bits += ''.join(f'{value:08b}' for value in (0, 0, 0, 0, 9, 9, 9, 255))
    bits += '0' * (-len(bits) % 8)
    rle = [int(bits[at : at + 8], 2) for at in range(0, len(bits), 8)]
    assert decode_brush(rle, (1, 2)).tolist() == [[False, True]]
    with pytest.raises(ValueError, match='too early'):
        decode_brush(rle[:10], (1, 2))
    with pytest.raises(ValueError, match='holds 8 values'):
        decode_brush(rle, (2, 2))


def test_geotiff(tmp_path):
    from PIL.TiffImagePlugin import ImageFileDirectory_v2

    tags = ImageFileDirectory_v2()
    for number, kind, value in (
        (33550, 12, (0.5, 0.5, 0.0)),
        (33922, 12, (0.0, 0.0, 0.0, 400000.0, 5800000.0, 0.0)),
        (34735, 3, (1, 1, 0, 1, 3072, 0, 1, 32633)),
    ):
        tags.tagtype[number], tags[number] = kind, value
    path = tmp_path / 'field.tif'
    Image.new('RGB', (30, 20)).save(path, tiffinfo=tags)
    mask = np.arange(600, dtype=np.uint8).reshape(20, 30) % 3
    FORMATS['png'](CLASSES).write(iter([MaskItem('field', path, mask)]), tmp_path / 'out')
    written = tmp_path / 'out' / 'field.tif'
    assert dict(geo_tags(written)) == dict(geo_tags(path))
    assert np.array_equal(np.array(Image.open(written)), mask)
    assert geo_tags(tmp_path / 'photo.jpg') is None


@pytest.mark.parametrize(
    'name, file, content, message',
    [
        ('coco', 'annotations.json', '[]', 'not a COCO'),
        ('labelme', 'a.json', '{"a": 1}', 'not a labelme file'),
        (
            'labelme',
            'a.json',
            '{"imageHeight": 4, "imageWidth": 4, "shapes": [{"label": "cat", "points": [[0, 0]],'
            ' "shape_type": "polygon"}]}',
            "'cat' is not a known class",
        ),
        ('labelstudio', 'tasks.json', '{}', 'expected a list of tasks'),
        ('labelstudio', 'tasks.json', '[{"data": {"image": "a"}}]', 'neither annotated nor'),
        ('cvat', 'annotations.xml', '<a', 'not an XML file'),
        ('cvat', 'annotations.xml', '<a/>', 'not a CVAT file'),
    ],
)
def test_foreign_content(name, file, content, message, tmp_path):
    (tmp_path / file).write_text(content)
    with pytest.raises(ValueError, match=message) as error:
        list(FORMATS[name](CLASSES).read(tmp_path))
    assert str(tmp_path / file) in str(error.value)


def test_yolo_lines(tmp_path):
    (tmp_path / 'labels').mkdir()
    (tmp_path / 'images').mkdir()
    Image.new('RGB', (10, 10)).save(tmp_path / 'images' / 'a.png')
    (tmp_path / 'data.yaml').write_text('names: [dog]\n')
    (tmp_path / 'labels' / 'a.txt').write_text('0 0 0 0.5 0 0.5 1 0 1\n\n')
    found = list(FORMATS['yolo'](CLASSES).read(tmp_path))
    assert (found[0].mask[:, :5] == 2).all() and not found[0].mask[:, 5:].any()
    (tmp_path / 'labels' / 'a.txt').write_text('0 0 0 0.5\n')
    with pytest.raises(ValueError, match=r'a\.txt, line 1'):
        list(FORMATS['yolo'](CLASSES).read(tmp_path))
    Path(tmp_path / 'images' / 'a.png').unlink()
    with pytest.raises(FileNotFoundError, match='--images'):
        list(FORMATS['yolo'](CLASSES).read(tmp_path))
