"""Every format of tags: recognised by its content, read, and refused line by line where it is
wrong. Formats that masks are exported to come back from the export.
"""

import csv
import json
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, TiffImagePlugin

from mmwsss.preparation import readers
from mmwsss.preparation.check_report import CheckReport
from mmwsss.preparation.exports import FORMATS, MaskItem
from mmwsss.preparation.readers import (
    base,
    class_folders,
    coco,
    csv_table,
    cvat,
    excel,
    label_studio,
    label_studio_table,
    labelme,
    mmpretrain,
    photo_keywords,
    tag_json,
    via,
    voc_xml,
    yolo,
)
from mmwsss.preparation.tag_readers import read_tag_source
from mmwsss.utils.io import write_json

TABLE = {'a': ['dog', 'cat'], 'b': [], 'trip/c': ['cat']}
XMP = """<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF
 xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description
 xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:subject><rdf:Bag><rdf:li>{}</rdf:li>
 <rdf:li>cat</rdf:li></rdf:Bag></dc:subject></rdf:Description></rdf:RDF></x:xmpmeta>"""


def read(path, **options):
    report = CheckReport('test')
    return read_tag_source(path, report, **options), report.text()


def ids(table):
    """Names without extensions."""
    return {str(Path(name).with_suffix('')): sorted(tags) for name, tags in table.items()}


def save(path, size=(20, 24), **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.zeros((*size, 3), np.uint8)).save(path, **options)


def test_one_reader_per_file():
    modules = [class_folders, coco, csv_table, cvat, excel, label_studio, labelme, mmpretrain]
    modules += [label_studio_table, photo_keywords, tag_json, via, voc_xml, yolo]
    for kind in readers.READERS:
        assert issubclass(kind, base.TagReader) and kind.kind
        assert any(kind.__module__ == module.__name__ for module in modules)


@pytest.mark.parametrize('name', ['coco', 'labelme', 'labelstudio', 'cvat', 'yolo'])
def test_exported_masks_hold_their_tags(name, tmp_path):
    masks, classes = {}, ('background', 'dog', 'cat')
    for key, tags in TABLE.items():
        save(tmp_path / 'photos' / f'{key}.jpg')
        masks[key] = np.zeros((20, 24), np.uint8)
        for tag in tags:
            label = classes.index(tag)
            masks[key][2:12, 10 * label - 8 : 10 * label] = label
    items = [MaskItem(key, tmp_path / 'photos' / f'{key}.jpg', mask) for key, mask in masks.items()]
    FORMATS[name](classes).write(iter(items), tmp_path / 'out')
    files = dict(coco='annotations.json', labelstudio='tasks.json', cvat='annotations.xml')
    source, text = read(tmp_path / 'out' / files.get(name, ''))
    assert ids(source.table) == {key: sorted(tags) for key, tags in TABLE.items()}, text
    assert '0 problems' in text
    if name in ('coco', 'cvat', 'yolo'):
        assert source.classes == ('dog', 'cat')


def test_label_studio(tmp_path):
    tasks = [
        dict(
            data=dict(image='/data/upload/1/0123abcd-a%20b.jpg'),
            annotations=[
                dict(was_cancelled=True, result=[dict(type='choices', value=dict(choices=['x']))]),
                dict(
                    result=[
                        dict(type='choices', value=dict(choices=['dog', 'cat'])),
                        dict(type='rectanglelabels', value=dict(rectanglelabels=['bird'])),
                    ]
                ),
            ],
            predictions=[dict(result=[dict(type='choices', value=dict(choices=['y']))])],
        ),
        dict(data=dict(photo='https://example.org/c-d.jpg'), annotations=[]),
        dict(data=3),
    ]
    write_json(tmp_path / 'tasks.json', tasks)
    source, text = read(tmp_path / 'tasks.json')
    assert source.table == {'a b.jpg': ['dog', 'cat', 'bird'], 'c-d.jpg': []}
    assert 'task 2: expected "data"' in text and '1 problem' in text


def test_cvat_and_voc(tmp_path):
    (tmp_path / 'cvat.xml').write_text(
        '<?xml version="1.0"?><annotations><meta><job><labels><label><name>dog</name></label>'
        '<label><name>cat</name></label></labels></job></meta><image name="a.jpg">'
        '<tag label="dog"/><box label="cat"/></image><image name="b.jpg"/></annotations>'
    )
    source, text = read(tmp_path / 'cvat.xml')
    assert source.table == {'a.jpg': ['dog', 'cat'], 'b.jpg': []} and '0 problems' in text
    assert source.classes == ('dog', 'cat')
    folder = tmp_path / 'voc'
    folder.mkdir()
    (folder / 'a.xml').write_text(
        '<annotation><object><name>dog</name><part><name>head</name></part></object></annotation>'
    )
    (folder / 'b.xml').write_text('<annotation><object/></annotation>')
    source, text = read(folder)
    assert source.table == {'a': ['dog']} and 'an <object> has no <name>' in text
    assert read(folder / 'a.xml')[0].table == {'a': ['dog']}


@pytest.mark.parametrize('entity', ['<!DOCTYPE a [<!ENTITY b "c">]>', '<!ENTITY b "c">'])
def test_no_entity_is_expanded(entity, tmp_path):
    (tmp_path / 'a.xml').write_text(f'<?xml version="1.0"?>{entity}<annotations>&b;</annotations>')
    with pytest.raises(ValueError, match='a.xml: not an XML file of ours'):
        read(tmp_path / 'a.xml')


def test_labelme_flags_and_foreign_files(tmp_path):
    shapes = [dict(label='dog', points=[[0, 0], [1, 1]], shape_type='line')]
    write_json(tmp_path / 'x' / 'a.json', dict(shapes=shapes, flags=dict(cat=True, bird=False)))
    write_json(tmp_path / 'x' / 'b.json', dict(other=1))
    source, text = read(tmp_path / 'x')
    assert source.table == {'a': ['dog', 'cat']} and 'b.json: not a labelme file' in text
    assert read(tmp_path / 'x' / 'a.json')[0].table == {'a': ['dog', 'cat']}


def test_via(tmp_path):
    entries = {
        'a.jpg1': dict(
            filename='a.jpg',
            regions=[dict(region_attributes=dict(kind='dog', extra={'cat': True, 'x': False}))],
            file_attributes={},
        ),
        'b.jpg2': dict(
            filename='b.jpg',
            regions={'0': dict(region_attributes=dict(kind='cat'))},
            file_attributes=dict(place='beach'),
        ),
        'c': 3,
    }
    write_json(tmp_path / 'export.json', entries)
    source, text = read(tmp_path / 'export.json')
    assert source.table == {'a.jpg': ['dog', 'cat'], 'b.jpg': ['beach', 'cat']}
    assert 'c: expected "filename"' in text
    entries.pop('c')
    write_json(tmp_path / 'project.json', dict(_via_img_metadata=entries, _via_settings={}))
    assert read(tmp_path / 'project.json')[0].table == source.table


def test_yolo(tmp_path):
    folder = tmp_path / 'yolo'
    (folder / 'labels' / 'train').mkdir(parents=True)
    (folder / 'labels' / 'train' / 'a.txt').write_text('1 0.5 0.5 0.2 0.2\n0 0.1 0.1 0.1 0.1\n')
    (folder / 'labels' / 'train' / 'b.txt').write_text('')
    (folder / 'labels' / 'train' / 'c.txt').write_text('7 0.5 0.5 0.2 0.2\n')
    with pytest.raises(ValueError, match='put the names into data.yaml'):
        read(folder)
    assert read(folder, classes=['dog', 'cat'])[0].table['train/a'] == ['cat', 'dog']
    (folder / 'classes.txt').write_text('dog\ncat\n')
    source, text = read(folder)
    assert source.table == {'train/a': ['cat', 'dog'], 'train/b': [], 'train/c': []}
    assert "line 1: '7' is not the number of one of 2 classes" in text
    (folder / 'data.yaml').write_text('names: {1: bird, 0: fish}\n')
    assert read(folder)[0].classes == ('fish', 'bird')


def test_records_and_json_lines(tmp_path):
    records = [dict(file_name='a.jpg', labels=['dog', 'cat']), dict(file_name='b.jpg', labels=None)]
    write_json(tmp_path / 'a.json', [*records, dict(labels=['x'])])
    source, text = read(tmp_path / 'a.json')
    assert source.table == {'a.jpg': ['dog', 'cat'], 'b.jpg': []} and 'record 2' in text
    (tmp_path / 'metadata.jsonl').write_text('\n'.join(map(json.dumps, records)) + '\n\n')
    assert read(tmp_path / 'metadata.jsonl')[0].table == source.table
    (tmp_path / 'bad.jsonl').write_text('{"a": 1}\n{')
    with pytest.raises(ValueError, match='bad.jsonl, line 2: not JSON'):
        read(tmp_path / 'bad.jsonl')


@pytest.mark.parametrize(
    'text, table',
    [
        ('sep=;\nimage;tags\na.jpg;dog|cat\n', {'a.jpg': ['dog', 'cat']}),
        (",image,tags\n0,a.jpg,\"['dog', 'person']\"\n", {'a.jpg': ['dog', 'person']}),
        ('a.jpg,dog\nb.jpg,cat\n', {'a.jpg': ['dog'], 'b.jpg': ['cat']}),
        ('image,author,labels\na.jpg,me,dog;cat\n', {'a.jpg': ['dog', 'cat']}),
        (',image,dog,cat\n0,a.jpg,1,0\n', {'a.jpg': ['dog']}),
    ],
)
def test_tables_as_programs_write_them(text, table, tmp_path):
    (tmp_path / 'tags.csv').write_text(text)
    source, said = read(tmp_path / 'tags.csv')
    assert source.table == table and '0 problems' in said, said
    (tmp_path / 'utf16.csv').write_text(text, encoding='utf-16')
    assert read(tmp_path / 'utf16.csv')[0].table == table


def test_a_list_with_commas_is_told_from_a_typo(tmp_path):
    path = tmp_path / 'tags.csv'
    path.write_text('image,tags\na,dog\nb,cat person\nc,dog,cat\nd,dog,persn\n')
    text = read(path)[1]
    assert 'all of these are tags elsewhere, so write dog;cat' in text
    assert "'persn' is a tag nowhere else, did you mean 'person'?" in text
    assert '--separator' not in text
    path.write_text('image,tags\na,traffic light,dog\nb,dog,cat\nc,cat,bird\nd,\n')
    assert "read them as they are with --separator ','" in read(path)[1]
    source, text = read(path, separator=',')
    assert source.table['a'] == ['traffic light', 'dog'] and source.table['d'] == []
    assert '0 problems' in text


def test_a_tag_without_its_quotes(tmp_path):
    (tmp_path / 'tags.csv').write_text(
        'image,tags\na,traffic light dog\nb,dog traffic light\nc,dog cat\n'
    )
    text = read(tmp_path / 'tags.csv')[1]
    assert 'words that always occur together' in text and 'traffic light: 2 photos' in text
    assert 'dog cat' not in text


def workbook(path, rows):
    """The least that a workbook consists of, written by hand."""
    cells = ''.join(
        f'<row r="{number}">'
        + ''.join(
            f'<c r="{chr(65 + column)}{number}" t="inlineStr"><is><t>{text}</t></is></c>'
            for column, text in enumerate(row)
        )
        + '</row>'
        for number, row in enumerate(rows, 1)
    )
    main = 'http://schemas.openxmlformats.org/spreadsheetml/2006/main'
    office = 'http://schemas.openxmlformats.org/officeDocument/2006/relationships'
    package = 'http://schemas.openxmlformats.org/package/2006'
    kind = 'application/vnd.openxmlformats-officedocument.spreadsheetml'
    parts = {
        '[Content_Types].xml': f'<Types xmlns="{package}/content-types"><Default Extension="rels" '
        'ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Override '
        f'PartName="/xl/workbook.xml" ContentType="{kind}.sheet.main+xml"/><Override '
        f'PartName="/xl/worksheets/sheet1.xml" ContentType="{kind}.worksheet+xml"/></Types>',
        '_rels/.rels': f'<Relationships xmlns="{package}/relationships"><Relationship Id="r1" '
        f'Type="{office}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        'xl/workbook.xml': f'<workbook xmlns="{main}" xmlns:r="{office}"><sheets><sheet '
        'name="tags" sheetId="1" r:id="r1"/></sheets></workbook>',
        'xl/_rels/workbook.xml.rels': f'<Relationships xmlns="{package}/relationships">'
        f'<Relationship Id="r1" Type="{office}/worksheet" Target="worksheets/sheet1.xml"/>'
        '</Relationships>',
        'xl/worksheets/sheet1.xml': f'<worksheet xmlns="{main}"><sheetData>{cells}</sheetData>'
        '</worksheet>',
    }
    with zipfile.ZipFile(path, 'w', zipfile.ZIP_DEFLATED) as archive:
        for name, text in parts.items():
            archive.writestr(name, f'<?xml version="1.0" encoding="UTF-8"?>{text}')


def test_excel(tmp_path):
    pytest.importorskip('openpyxl')
    workbook(tmp_path / 'tags.xlsx', [('image', 'tags'), ('a.jpg', 'dog;cat'), ('b.jpg', '')])
    source, text = read(tmp_path / 'tags.xlsx')
    assert source.table == {'a.jpg': ['dog', 'cat'], 'b.jpg': []} and '0 problems' in text


def test_excel_without_its_package_and_too_large(tmp_path, monkeypatch):
    workbook(tmp_path / 'tags.xlsx', [('image', 'tags'), ('a.jpg', 'dog')])
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, 'openpyxl', None)
        with pytest.raises(ValueError, match='tags.xlsx: .*pip install openpyxl'):
            read(tmp_path / 'tags.xlsx')
    monkeypatch.setenv('MMWSSS_MAX_TEXT_MB', '0.0001')
    with pytest.raises(ValueError, match='unpacks to .*MMWSSS_MAX_TEXT_MB'):
        excel._check_parts(tmp_path / 'tags.xlsx')


def test_keywords_of_photos(tmp_path):
    save(tmp_path / 'a.jpg', xmp=XMP.format('dog').encode())
    save(tmp_path / 'b.jpg')
    (tmp_path / 'b.jpg.xmp').write_text(XMP.format('bird'))
    save(tmp_path / 'c.jpg')
    info = TiffImagePlugin.ImageFileDirectory_v2()
    record = b''.join(
        b'\x1c\x02\x19' + len(word).to_bytes(2, 'big') + word for word in (b'fish', b'sea')
    )
    info[33723] = record
    info.tagtype[33723] = 7
    save(tmp_path / 'd.tif', tiffinfo=info)
    source, text = read(tmp_path)
    assert source.table == {
        'a.jpg': ['dog', 'cat'],
        'b.jpg': ['bird', 'cat'],
        'c.jpg': [],
        'd.tif': ['fish', 'sea'],
    }, text
    assert source.files['a.jpg'] == tmp_path / 'a.jpg' and '0 problems' in text
    (tmp_path / 'c.xmp').write_text('<a>')
    assert 'c.xmp: not an XML file' in read(tmp_path)[1]


HEADER = 'image,id,choice,label,annotator,annotation_id,created_at,updated_at,lead_time\n'
ABOUT = '1,7,2024-01-01T00:00:00Z,2024-01-01T00:00:00Z,3.2'


def test_label_studio_csv(tmp_path):
    box = [dict(x=1, y=2, width=3, height=4, rectanglelabels=['bird'], original_width=9)]
    brush = [dict(format='rle', rle=list(range(60000)), brushlabels=['sea'])]
    rows = [
        ('/data/upload/1/0123abcd-a%20b.jpg', 'dog', json.dumps(box)),
        ('/data/upload/1/0123abcd-a%20b.jpg', json.dumps(dict(choices=['dog', 'cat'])), ''),
        ('/data/local-files/?d=trip/c.jpg', '', json.dumps(brush)),
        ('e.jpg', '', ''),
        ('f.jpg', '', json.dumps(dict(text=['a sentence']))),
    ]
    with open(tmp_path / 'export.csv', 'w', newline='') as file:
        file.write(HEADER)
        for image, choice, label in rows:
            csv.writer(file).writerow([image, 1, choice, label, *ABOUT.split(',')])
    source, text = read(tmp_path / 'export.csv')
    assert source.kind == 'Label Studio table'
    expected = {'a b.jpg': ['dog', 'bird', 'cat'], 'c.jpg': ['sea'], 'e.jpg': []}
    assert source.table == expected, text
    assert 'line 6: expected choices or labels' in text and '1 problem' in text


def test_label_studio_short_json(tmp_path):
    about = dict(annotator=1, annotation_id=7, lead_time=3.2)
    rows = [
        dict(image='/data/upload/1/0123abcd-a.jpg', id=1, choice='dog', **about),
        dict(image='b.jpg', id=2, label=[dict(polygonlabels=['cat'], points=[])], **about),
        dict(image='c.jpg', choice='dog', **about),
    ]
    write_json(tmp_path / 'export.json', rows)
    source, text = read(tmp_path / 'export.json')
    assert source.table == {'a.jpg': ['dog'], 'b.jpg': ['cat']}
    assert 'entry 2: expected columns of data, "id"' in text and '1 problem' in text


@pytest.mark.parametrize('ends', ['\n', '\r\n'])
def test_tables_of_excel_on_windows(ends, tmp_path):
    lines = ['image;tags', 'Möwe_1.jpg;Seemöwe', 'café.jpg;Été']
    (tmp_path / 'a.csv').write_bytes(ends.join(lines).encode('cp1252'))
    source, text = read(tmp_path / 'a.csv')
    assert source.table == {'Möwe_1.jpg': ['Seemöwe'], 'café.jpg': ['Été']}
    assert 'in Windows-1252 (Western European), not UTF-8; are these words right?' in text
    assert 'a.csv: Seemöwe, Été\n' in f'{text}\n' and '0 problems' in text


@pytest.mark.parametrize(
    'encoding, word',
    [
        ('cp1251', 'собака'),
        ('cp1253', 'σκύλος'),
        ('shift_jis', '犬と猫'),
        ('cp1250', 'żółw'),
        ('mac_roman', 'Bär'),
        ('utf-16-le', 'Möwe'),
    ],
)
def test_other_encodings_are_refused(encoding, word, tmp_path):
    (tmp_path / 'a.csv').write_bytes(f'image,label\na.jpg,{word}\nb.jpg,dog\n'.encode(encoding))
    with pytest.raises(ValueError, match=r'a.csv: not a UTF-8 text file .*save the table as UTF-8'):
        read(tmp_path / 'a.csv')


def test_splits_of_class_folders(tmp_path):
    for index, place in enumerate(('train/dog/1', 'train/cat/2', 'Val/dog/1', 'test/untagged/3')):
        save(tmp_path / f'{place}.png', (20 + index, 24))
    source, text = read(tmp_path)
    assert source.table == {
        'Val/1.png': ['dog'],
        'test/3.png': [],
        'train/1.png': ['dog'],
        'train/2.png': ['cat'],
    }
    assert source.classes == ('cat', 'dog') and '0 problems, 0 notes' in text
    assert source.splits == {
        'train/1.png': 'train',
        'train/2.png': 'train',
        'Val/1.png': 'val',
        'test/3.png': 'test',
    }
    save(tmp_path / 'Val' / 'cat' / '9.png', (21, 24))
    assert 'photo that two splits hold' in read(tmp_path)[1]
    save(tmp_path / 'train' / 'loose.png')
    save(tmp_path / 'bird' / '4.png')
    text = read(tmp_path)[1]
    assert (
        'photo outside the folders of tags' in text and 'folder next to those of the splits' in text
    )


def test_train_is_a_tag_where_it_holds_photos(tmp_path):
    for place in ('train/1', 'bus/2'):
        save(tmp_path / f'{place}.png')
    assert read(tmp_path)[0].table == {'1.png': ['train'], '2.png': ['bus']}
    for place in ('a/train/1', 'a/val/2'):
        save(tmp_path / f'{place}.png')
    assert 'folders of splits without folders of tags' in read(tmp_path / 'a')[1]
