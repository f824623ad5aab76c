"""XML without entities."""

import pytest

from mmwsss.utils.limits import parse_xml, read_xml


def test_files(tmp_path):
    (tmp_path / 'a.xml').write_text('<?xml version="1.0"?><a><b c="&amp;"/></a>')
    assert read_xml(tmp_path / 'a.xml', 'file').find('b').get('c') == '&'


@pytest.mark.parametrize(
    'data, message',
    [
        (b'<a>', 'not an XML file'),
        (b'<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>', 'document type'),
        ('<!DOCTYPE a><a/>'.encode('utf-16'), 'save it again as UTF-8'),
        (b'<?xml version="1.0" encoding="x-none"?><a/>', 'not an XML file'),
    ],
)
def test_refused(data, message):
    with pytest.raises(ValueError, match=f'x.xml: .*{message}'):
        parse_xml(data, 'x.xml')
