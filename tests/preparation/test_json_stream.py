"""JSON arrays element by element, against the parser of the standard library."""

import json

import pytest

from mmwsss.preparation import json_stream
from mmwsss.preparation.json_stream import JSONArrays, read_json_part

CONTENT = {
    'info': {'text': 'Größe "x" [1, {', 'list': [1, 2]},
    'number': 12.5,
    'images': [{'id': 1, 'name': 'ä.jpg'}, {'id': 22, 'name': 'b'}],
    'annotations': [{'id': index, 'points': [[1.5, index, -2e3]] * index} for index in range(7)],
    'empty': [],
    'nothing': None,
}


@pytest.mark.parametrize('chunk', [1, 3, 64, 1 << 22])
@pytest.mark.parametrize('indent, ascii_only', [(None, True), (2, False)])
def test_elements_and_their_places(chunk, indent, ascii_only, tmp_path, monkeypatch):
    monkeypatch.setattr(json_stream, 'CHUNK', chunk)
    path = tmp_path / 'file.json'
    path.write_text(
        json.dumps(CONTENT, indent=indent, ensure_ascii=ascii_only) + '\n',
        encoding='utf-8-sig' if indent else 'utf-8',
    )
    found = {'images': [], 'annotations': [], 'empty': []}
    with open(path, 'rb') as file:
        for name, element, start, length in JSONArrays(path, ('images', 'annotations', 'empty')):
            again = read_json_part(file, start, length)
            found[name].append(again)
            assert element == again
    assert found == {name: CONTENT[name] for name in found}
    assert list(JSONArrays(path, ('absent', 'number'))) == []


@pytest.mark.parametrize(
    'text, message',
    [
        ('', 'not a complete JSON file, it ends at byte 0'),
        ('{"images": [{"id": 1}, {"id"', 'not a complete JSON file'),
        ('{"images": [{"id": 1}', 'not a complete JSON file'),
        ('[1, 2]', r"not a JSON object of arrays, '\[' instead of '\{' at byte 0"),
        ('{"images" 3}', "'3' instead of ':' at byte 10"),
        ('{"images": [{id: 1}]}', 'at byte 13'),
    ],
)
def test_bad_files(text, message, tmp_path):
    path = tmp_path / 'file.json'
    path.write_text(text)
    with pytest.raises(ValueError, match=f'file.json: {message}|file.json: .*{message}'):
        list(JSONArrays(path, ('images',)))
