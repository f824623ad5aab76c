"""Names that become paths."""

import pytest

from mmwsss.utils.names import check_name, name_problem, output_path


@pytest.mark.parametrize('name', ['a', 'trip/a', 'a..b', 'ünï cödé', 'a.b', '2007_000032', '...a'])
def test_good_names(name):
    assert name_problem(name) == ''
    assert check_name(name, 'image id') == name


@pytest.mark.parametrize(
    'name, reason',
    [
        ('', 'empty'),
        ('  ', 'empty'),
        ('.', 'empty'),
        ('//', 'empty'),
        ('/abs/evil', 'absolute'),
        ('C:\\evil', 'absolute'),
        ('c:/evil', 'absolute'),
        ('\\\\host\\share', 'absolute'),
        ('..', "'..'"),
        ('../../evil', "'..'"),
        ('a/../b', "'..'"),
        ('a\\..\\b', "'..'"),
        ('a\\b', "'\\'"),
        ('a\0b', 'control'),
        ('a\nb', 'control'),
        ('a\rb', 'control'),
        ('a\u2028b', 'control'),
        ('a\ud800', 'Unicode'),
        (7, 'int'),
    ],
)
def test_unfit_names(name, reason, tmp_path):
    assert reason in name_problem(name)
    with pytest.raises(ValueError, match='list.txt, line 3: image id'):
        check_name(name, 'image id', origin='list.txt, line 3')
    with pytest.raises(ValueError, match='image id'):
        output_path(tmp_path, name, '.png')


def test_folders_where_they_are_not_allowed():
    assert "'/'" in name_problem('a/b', folders=False)


def test_links_do_not_lead_outside(tmp_path):
    out, outside = tmp_path / 'out', tmp_path / 'outside'
    (out / 'inside').mkdir(parents=True)
    outside.mkdir()
    (out / 'trip').symlink_to(outside)
    (out / 'link').symlink_to(out / 'inside')
    with pytest.raises(ValueError, match='outside .* symbolic link'):
        output_path(out, 'trip/a', '.png')
    assert output_path(out, 'link/a', '.png') == out / 'link' / 'a.png'
    assert output_path(out, 'new/a', '.png') == out / 'new' / 'a.png'
    # the output folder itself may be a link
    (tmp_path / 'alias').symlink_to(out)
    assert output_path(tmp_path / 'alias', 'inside/a', '.png').parent.name == 'inside'
