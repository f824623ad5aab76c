"""Class names given in a config or in a file."""

import pytest

from mmwsss.datasets.class_names import load_class_names
from mmwsss.utils.class_lists import VOC_CLASSES


def test_names_and_files(tmp_path):
    names = ('background', 'cat', 'dog')
    assert load_class_names(list(names)) == names
    (tmp_path / 'classes.txt').write_text('\ufeffbackground\n cat \n\ndog\n', encoding='utf-8')
    assert load_class_names('classes.txt', tmp_path) == names
    assert load_class_names(tmp_path / 'classes.txt', 'elsewhere') == names
    assert load_class_names('voc', tmp_path) == VOC_CLASSES


@pytest.mark.parametrize(
    'names, message',
    [
        (('cat', 'background'), "the first class must be 'background', found 'cat'"),
        ((), "the first class must be 'background', found nothing"),
        (('background', 'cat', 'cat'), "class names appear twice: \\['cat'\\]"),
        (('background',), "'background'"),
    ],
)
def test_wrong_names(names, message):
    with pytest.raises(ValueError, match=f'classes: .*{message}'):
        load_class_names(names)


def test_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError, match='none.txt: class file not found'):
        load_class_names('none.txt', tmp_path)
