"""Notes about the stages of a pipeline."""

import pytest

from mmwsss.apis.stage_state import StageNotes, changed_parts, needed_of


@pytest.fixture
def notes(tmp_path):
    (tmp_path / 'work' / 'one').mkdir(parents=True)
    (tmp_path / 'configs').mkdir()
    return StageNotes(tmp_path / 'work', tmp_path / 'configs')


def test_a_finished_stage_remembers_what_it_made(notes):
    assert notes.read('one') == {}
    made = notes.work_dir / 'one' / 'numbers.txt'
    made.write_text('1')
    notes.write('one', 'done', dict(tool='train.py'), 2.5)
    state = notes.read('one')
    assert (state['status'], state['settings'], state['seconds']) == (
        'done',
        {'tool': 'train.py'},
        2.5,
    )
    assert notes.outputs_are_whole('one', state)
    made.unlink()
    notes.forget(everything=True)
    assert not notes.outputs_are_whole('one', state)


def test_damaged_notes(notes):
    (notes.work_dir / 'one' / 'stage.json').write_text('{"status": ')
    assert notes.read('one')['status'] == 'unknown'


def test_only_folders_of_a_pipeline_are_removed(notes):
    (notes.work_dir / 'one' / 'thesis.txt').write_text('mine')
    with pytest.raises(ValueError, match='one: holds files that do not come from a pipeline'):
        notes.remove('one')
    notes.own('one')
    notes.remove('one')
    assert not (notes.work_dir / 'one').exists() and not list(notes.work_dir.glob('.removed-*'))
    notes.remove('one')  # nothing left to remove


def test_settings_follow_a_config_of_the_user(notes, tmp_path):
    """Modules that only its own folder holds need not be found to compare its text."""
    config = tmp_path / 'mine.py'
    config.write_text("custom_imports = dict(imports=['module_of_nobody'])\nvalue = 1\n")
    stage = dict(name='one', tool='train.py', args=[str(config)])
    before = notes.settings(stage, 1, lambda text: text)
    notes.forget(everything=True)
    config.write_text(config.read_text().replace('value = 1', 'value = 2'))
    after = notes.settings(stage, 1, lambda text: text)
    assert changed_parts(before, after) == 'config'
    assert changed_parts(before, notes.settings(stage, 2, lambda text: text)) != ''


def test_what_later_stages_ask_for():
    stages = [dict(name='two', args=['{one.checkpoint}', 'x={one:cam/mIoU}', '{zero.checkpoint}'])]
    assert needed_of('one', stages, {}) == {'{one.checkpoint}', '{one:cam/mIoU}'}
    assert needed_of('two', stages, dict(seg='two')) == {'metrics'}
