"""Names that are joined, and hierarchies."""

import pytest

from mmwsss.preparation.class_map import read_class_map, renamed_tags

TEXT = """
animal:
  dog: [Dog, puppy]
  cat:
vehicle: [car, bus]
"""


@pytest.mark.parametrize(
    'level, expected',
    [
        (None, dict(Dog='dog', puppy='dog', car='vehicle', bus='vehicle')),
        (
            1,
            dict(
                dog='animal',
                Dog='animal',
                puppy='animal',
                cat='animal',
                car='vehicle',
                bus='vehicle',
            ),
        ),
    ],
)
def test_levels(level, expected, tmp_path):
    (tmp_path / 'map.yaml').write_text(TEXT)
    assert read_class_map(tmp_path / 'map.yaml', level) == expected


def test_pairs_apply_to_what_the_file_makes(tmp_path):
    (tmp_path / 'map.yaml').write_text('vehicle: [car]\n')
    found = renamed_tags(['vehicle=machine', 'x=y'], tmp_path / 'map.yaml')
    assert found == dict(vehicle='machine', x='y', car='machine')
    assert renamed_tags(['a=b']) == dict(a='b')


@pytest.mark.parametrize(
    'text, message',
    [
        ('a: [b]\nc: [b]\n', "'b' belongs to 'a' and to 'c'"),
        ('- a\n', 'expected names'),
        ('a: [[b]]\n', "'a': a list holds names only"),
        ('a: &x [b]\nc: *x\n', 'has aliases'),
        ('a: [', 'not a YAML file'),
    ],
)
def test_bad_files(text, message, tmp_path):
    (tmp_path / 'map.yaml').write_text(text)
    with pytest.raises(ValueError, match=f'map.yaml: .*{message}'):
        read_class_map(tmp_path / 'map.yaml')
