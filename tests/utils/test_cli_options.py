"""Values of ``--cfg-options``."""

import argparse
import shlex

import pytest
from mmengine.config import Config

from mmwsss.apis.config import override
from mmwsss.utils.cli_options import (
    DictAction,
    choice_of,
    format_option,
    parse_value,
    positive_integer,
    unit_number,
)


@pytest.mark.parametrize(
    'text, value',
    [
        ('1', 1),
        ('1e-3', 1e-3),
        ('True', True),
        ('false', False),
        ('None', None),
        ('cat', 'cat'),
        ('', ''),
        ('[1.0, 0.5]', [1.0, 0.5]),
        ('[1,]', [1]),
        ('[]', []),
        ('()', ()),
        ('(1,2)', (1, 2)),
        ('[(1, 2), [a, b c], None]', [(1, 2), ['a', 'b c'], None]),
        ("['a, b', c]", ['a, b', 'c']),
        ('1,2,3', [1, 2, 3]),
        ('a,b', ['a', 'b']),
        ('/media/My Drive/data', '/media/My Drive/data'),
        ('/media/Fotos, 2023/data', '/media/Fotos, 2023/data'),
        ("'Fotos,2023'", 'Fotos,2023'),
        ('"1"', '1'),
        ("O'Hara's/a", "O'Hara's/a"),
        (' x = y ', 'x = y'),
    ],
)
def test_values(text, value):
    found = parse_value(text)
    assert found == value and type(value) in type(found).__mro__


@pytest.mark.parametrize('value', ['a b', 'a,b', '1', 'None', 'a/b, c', "it's, so", '[x]', 'True'])
def test_printed_options_mean_what_they_say(value):
    words = shlex.split(shlex.join(['--cfg-options', format_option('key', value)]))
    parser = argparse.ArgumentParser()
    parser.add_argument('--cfg-options', nargs='+', action=DictAction)
    assert parser.parse_args(words).cfg_options == dict(key=value)


def test_commas_in_a_setting_that_is_a_text():
    config = Config(dict(root='data', names=['a'], part=dict(root=['x'])))
    options = {k: parse_value('Fotos,2023') for k in ('root', 'names', 'part.root', 'new')}
    override(config, options)
    assert config.root == 'Fotos,2023'
    assert config.names == config.part.root == config.new == ['Fotos', 2023]
    assert type(config.names) is list and 'Fotos,2023' in config.pretty_text


def test_mistakes_end_in_one_line(capsys):
    parser = argparse.ArgumentParser()
    parser.add_argument('--cfg-options', nargs='+', action=DictAction)
    for words, message in (
        (['data_root=/My', 'Drive'], "found 'Drive'; put quotes around a value with blanks"),
        (['a=[1,(2]]'], "a=[1,(2]]: unbalanced ']'"),
        (['a=1,[2'], '] is missing'),
    ):
        with pytest.raises(SystemExit):
            parser.parse_args(['--cfg-options', *words])
        assert message in capsys.readouterr().err


def test_choice_of_a_module():
    choice = choice_of('mmwsss.functional.confusion', 'RATES')
    assert choice('mctformer') == 'mctformer'
    with pytest.raises(argparse.ArgumentTypeError, match="'x' is not one of .*mctformer"):
        choice('x')


@pytest.mark.parametrize('text', ['-0.1', '1.5', '40', 'nan'])
def test_numbers_outside_the_unit_interval(text):
    assert unit_number('0') == 0 and unit_number('1') == 1 and unit_number('0.4') == 0.4
    with pytest.raises(argparse.ArgumentTypeError, match=r'must be in \[0,1\]'):
        unit_number(text)
    with pytest.raises(argparse.ArgumentTypeError, match="'a' is not a number"):
        unit_number('a')


def test_positive_integers():
    assert positive_integer('3') == 3
    for text, message in (('0', 'at least 1, got 0'), ('x', "'x' is not a whole number")):
        with pytest.raises(argparse.ArgumentTypeError, match=message):
            positive_integer(text)
