"""Id lists as people have them."""

import pytest

from mmwsss.preparation.check_report import CheckReport
from mmwsss.preparation.list_check import check_id_list


def check(path, data, repair=False):
    path.write_bytes(data)
    report = CheckReport('list')
    return check_id_list(path, report, repair), report


def test_a_clean_list(tmp_path):
    ids, report = check(
        tmp_path / 'a.txt', b'2007_000032\n2007_000039\n\nCOCO_val2014_000000000042'
    )
    assert (
        ids == ['2007_000032', '2007_000039', 'COCO_val2014_000000000042']
        and not report.num_problems
    )


def test_everything_at_once(tmp_path):
    data = (
        '\ufeff/JPEGImages/a.jpg /SegmentationClass/a.png\r\nx\\b.PNG\r\n a\r\nname.with.dots\r\n'
    ).encode()
    for repair in (False, True):
        ids, report = check(tmp_path / 'a.txt', data, repair)
        assert ids == ['a', 'b', 'name.with.dots'] and report.num_problems == (0 if repair else 5)
        for line in (
            'byte-order mark at the start',
            'Windows line ends',
            "line 1: '/JPEGImages/a.jpg /SegmentationClass/a.png' for 'a'",
            "line 2: 'x\\\\b.PNG' for 'b'",
            "line 3: 'a', first in line 1",
        ):
            assert line in report.text()


def test_no_list(tmp_path):
    ids, report = check(tmp_path / 'a.txt', b'\n \n', True)
    assert ids == [] and 'the list names no image' in report.text() and report.exit_code == 1
    with pytest.raises(ValueError, match='a.txt: not a UTF-8 text file'):
        check(tmp_path / 'a.txt', b'\xe4\n')
    with pytest.raises(FileNotFoundError, match='none.txt: image list not found'):
        check_id_list(tmp_path / 'none.txt', CheckReport('list'))
