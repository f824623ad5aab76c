"""YAML without aliases."""

import pytest

from mmwsss.utils.yaml_files import read_yaml


def test_files(tmp_path):
    path = tmp_path / 'a.yaml'
    path.write_text('names: {0: dog}\n')
    assert read_yaml(path) == dict(names={0: 'dog'})
    for text, message in (
        ('a: &a [x]\nb: [*a, *a]\n', 'has aliases'),
        ('a: [', 'not a YAML file'),
        ('a: !!python/object/apply:os.getcwd []', 'not a YAML file'),
    ):
        path.write_text(text)
        with pytest.raises(ValueError, match=f'a.yaml: {message}'):
            read_yaml(path)
