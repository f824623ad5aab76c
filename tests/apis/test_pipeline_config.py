"""What a pipeline config says, with the overrides of the command line put in."""

import pytest

from mmwsss.apis.pipeline_config import read_pipeline

CONFIG = """
root = 'data/toy'
threshold = 0.4
unused = 1
stages = [
    dict(name='one', tool='train.py', args=['configs/a.py', '--data', '{root}/images']),
    dict(name='two', tool='test.py', args=['{one.checkpoint}', '--at', '{threshold}']),
]
results = dict(cam='two')
"""


@pytest.fixture
def path(tmp_path):
    (tmp_path / 'pipeline.py').write_text(CONFIG)
    return tmp_path / 'pipeline.py'


def test_values_and_places_of_stages(path):
    """Values of the config are put in; what only a run knows stays."""
    pipeline = read_pipeline(path)
    first, second = pipeline.stages
    assert first['args'][-1] == 'data/toy/images'
    assert second['args'] == ['{one.checkpoint}', '--at', '0.4']
    assert pipeline.results == dict(cam='two')


def test_overrides_reach_every_stage(path):
    pipeline = read_pipeline(path, dict(root='/mnt/x', threshold=0.5))
    assert pipeline.stages[0]['args'][-1] == '/mnt/x/images'
    assert pipeline.stages[1]['args'][-1] == '0.5'


@pytest.mark.parametrize('key, words', [('rot', 'rot.*root'), ('unused', 'unused')])
def test_overrides_without_effect(key, words, path):
    with pytest.raises(ValueError, match=f'pipeline.py: .*{words}'):
        read_pipeline(path, {key: 'x'})


def test_placeholders_of_nothing(path):
    path.write_text(CONFIG.replace('{threshold}', '{treshold}'))
    with pytest.raises(ValueError, match='pipeline.py: .*treshold'):
        read_pipeline(path)
