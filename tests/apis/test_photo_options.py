"""Options for photos that are not 8-bit colours."""

from argparse import ArgumentParser

import pytest
from mmengine.config import Config

from mmwsss.apis.photo_options import add_photo_arguments, photo_options, set_photos


def parse(*words):
    parser = ArgumentParser()
    add_photo_arguments(parser)
    return parser.parse_args(words)


def config():
    load, flip = dict(type='mmwsss.LoadImage', max_side=64), dict(type='Flip')
    dataset = dict(pipeline=[load, flip])
    parts = dict(datasets=[dict(pipeline=[dict(load)])])
    return Config(dict(train_dataloader=dict(dataset=dataset), tta_pipeline=[load], other=parts))


def test_every_reader_of_photos_is_told():
    changed = config()
    set_photos(changed, parse('--alpha-color', '0,0,128', '--value-range', '0,4095'))
    expected = dict(
        type='mmwsss.LoadImage', max_side=64, alpha_color=(0, 0, 128), value_range=(0.0, 4095.0)
    )
    assert changed.train_dataloader.dataset.pipeline == [expected, dict(type='Flip')]
    assert changed.tta_pipeline == [expected]
    assert changed.other.datasets[0].pipeline == [expected]
    same = config()
    set_photos(same, parse())
    assert same._cfg_dict == config()._cfg_dict and photo_options(parse()) == {}
    assert photo_options(parse('--value-range', 'full')) == dict(value_range='full')


@pytest.mark.parametrize(
    'words',
    [
        ('--alpha-color', 'white'),
        ('--alpha-color', '0,0'),
        ('--alpha-color', '0,0,256'),
        ('--alpha-color', '0,0,nan'),
        ('--value-range', 'half'),
        ('--value-range', '5,5'),
        ('--value-range', '0,inf'),
        ('--value-range', 'nan,1'),
    ],
)
def test_wrong_values_are_named(words, capsys):
    with pytest.raises(SystemExit):
        parse(*words)
    assert f"{words[0]}: '{words[1]}': expected" in capsys.readouterr().err
