"""Every format of tags: recognised by its content, read, and refused line by line where it is
wrong. Formats that masks are exported to come back from the export.
"""

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
    modules += [photo_keywords, tag_json, via, voc_xml, yolo]
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
    assert 'words that always stand together' in text and 'traffic light: 2 photos' in text
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
