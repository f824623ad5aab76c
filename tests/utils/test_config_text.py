"""Texts of configs become data without being run."""

from mmwsss.utils.config_text import parse_config_text


def test_literals_and_dicts(tmp_path):
    text = """
import os
a = dict(type='X', sizes=(1, -2.5), **{'b c': [None, True]})
d = {'e': dict(), 'f': a}
g = os.path.join('x', 'y')
a.h = 3
"""
    assert parse_config_text(text) == {
        'a': {'type': 'X', 'sizes': (1, -2.5), 'b c': [None, True]},
        'd': {'e': {}, 'f': 'a'},
        'g': "os.path.join('x', 'y')",
    }


def test_nothing_is_executed(tmp_path):
    target = tmp_path / 'written'
    values = parse_config_text(f'a = open({str(target)!r}, "w")\n')
    assert values['a'].startswith('open(') and not target.exists()


def test_no_python():
    assert parse_config_text('a = ') is None and parse_config_text('') == {}
