"""What a config needs, before a job waits in a queue."""

from tests.tools.program import CONFIGS, one_line, run_tool

TOOL = 'misc/check_setup.py'


def test_missing_and_there(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv('MMWSSS_OFFLINE', '1')
    result = run_tool(TOOL, CONFIGS / 'psa_voc.py', options={'data_root': tmp_path / 'voc'})
    assert result.code == 1 and 'https://github.com/jiwoon-ahn/psa' in result.out
    assert result.out.count('MISSING') > 2 and '0 of ' in result.out
    (tmp_path / 'weights').mkdir()
    (tmp_path / 'weights' / 'res38_cls.pth').touch()
    result = run_tool(TOOL, CONFIGS / 'psa_voc.py', options={'data_root': tmp_path / 'voc'})
    assert result.code == 1 and '1 of ' in result.out
    assert run_tool(TOOL, CONFIGS / 'pipelines' / 'mctformer_plus_toy.py').code == 0


def test_pipelines_are_checked_first(tmp_path, monkeypatch):
    """A dry run prints the stages and names what is missing; a run does not begin."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv('MMWSSS_OFFLINE', '1')
    pipeline = CONFIGS / 'pipelines' / 'mctformer_plus_voc.py'
    dry = run_tool('run_pipeline.py', pipeline, '--dry-run')
    assert dry.code == 1 and '] classifier: train.py' in dry.out
    assert dry.err.count('weights/res38_cls.pth (') == 1 and dry.err.count('\n') == 1
    one_line(
        run_tool('run_pipeline.py', pipeline, '--work-dir', tmp_path / 'work'),
        'weights/res38_cls.pth',
        'https://github.com/jiwoon-ahn/psa',
    )
    assert not (tmp_path / 'work').exists()
