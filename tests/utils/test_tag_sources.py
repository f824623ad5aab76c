"""Tags from VOC annotations and from masks."""

import numpy as np
import pytest

from mmwsss.utils.io import write_mask
from mmwsss.utils.tag_sources import tags_from_mask, tags_from_xml


def test_objects_count_once_difficult_ones_too_and_parts_do_not(tmp_path):
    file = tmp_path / 'a.xml'
    file.write_text("""<annotation><filename>a.jpg</filename>
        <object><name>person</name><difficult>0</difficult><part><name>head</name></part><part><name>hand</name></part></object>
        <object><name>dog</name><difficult>1</difficult><truncated>1</truncated></object>
        <object><part><name>foot</name></part><name> person </name></object></annotation>""")
    assert tags_from_xml(file) == ['person', 'dog']


@pytest.mark.parametrize(
    'text, message',
    [
        ('<annotation><object>', 'not an XML file'),
        ('<html></html>', 'found <html>'),
        ('<annotation><object><part><name>head</name></part></object></annotation>', 'no <name>'),
    ],
)
def test_bad_annotations_are_named(tmp_path, text, message):
    file = tmp_path / 'a.xml'
    file.write_text(text)
    with pytest.raises(ValueError, match=f'a.xml: .*{message}'):
        tags_from_xml(file)
    with pytest.raises(FileNotFoundError, match='b.xml'):
        tags_from_xml(tmp_path / 'b.xml')


def test_mask_tags_skip_background_and_ignore(tmp_path):
    mask = np.zeros((4, 5), np.uint8)
    mask[0] = 255
    write_mask(tmp_path / 'a.png', mask)
    assert tags_from_mask(tmp_path / 'a.png', 21) == []
    mask[1:3] = (3, 3, 20, 1, 0)
    write_mask(tmp_path / 'a.png', mask)
    assert tags_from_mask(tmp_path / 'a.png', 21) == [0, 2, 19]
    with pytest.raises(ValueError, match=r'a.png: class ids \[20\]'):
        tags_from_mask(tmp_path / 'a.png', 20)
