"""A study from the command line: a classifier trained for a moment, tested in two ways."""

import pytest

from mmwsss.apis import grid_runner, pipeline
from mmwsss.utils.io import read_json
from tests.tools.program import CONFIGS, TINY, one_line, run_tool, tools_in_process

GRID = """
grid = dict(
    title='Refinement', base={config!r}, options={options!r}, seeds=[3],
    tests=[dict(name='val')],
    columns=dict(cam=dict(title='CAM mIoU', test='val', key='cam/mIoU', digits=2)),
    rows=[
        dict(name='unrefined', test_options={{'model.test_cfg.refine': False}},
             test_args=['--split', 'train'],
             published=dict(cam=1.0)),
        dict(name='refined'),
    ],
)
"""


@pytest.fixture
def study(toy_root, tmp_path):
    options = {
        **TINY,
        'model.backbone.arch.num_layers': 2,
        'model.test_cfg.map_type': 'mct',
        'train_cfg.max_epochs': 1,
        'train_cfg.val_interval': 1,
    }
    for loader in ('train', 'val', 'test'):
        options[f'{loader}_dataloader.dataset.data_root'] = str(toy_root)
    path = tmp_path / 'study.py'
    path.write_text(GRID.format(config=str(CONFIGS / 'mctformer_plus_toy.py'), options=options))
    return path


@pytest.mark.slow
@pytest.mark.tools
def test_one_training_two_tests(study, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    tools_in_process(monkeypatch, grid_runner, pipeline)
    result = run_tool('run_grid.py', study, '--work-dir', tmp_path / 'work')
    assert result.code == 0, result
    (folder,) = (tmp_path / 'work' / 'runs').iterdir()
    assert sorted(entry.name.partition('-')[0] for entry in folder.iterdir() if entry.is_dir()) == [
        'training',
        'val',
        'val',
    ]
    rows = read_json(tmp_path / 'work' / 'table.json')['rows']
    means = [row['values']['cam']['mean'] for row in rows]
    assert all(0 < mean < 100 for mean in means) and means[0] != means[1]
    assert f'| {means[1]:.2f} |' in ' '.join(result.out.split())
    assert read_json(folder / 'training' / 'environment.json')['seed'] == 3
    again = run_tool('run_grid.py', study, '--work-dir', tmp_path / 'work')
    assert again.code == 0 and 'done before' in again.out


def test_dry_run_and_bad_input(study, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = run_tool('run_grid.py', study, '--dry-run', '--seeds', 0, 1)
    assert result.code == 0 and '2 rows, 2 seeds, 2 runs' in result.out
    assert '(unrefined; refined): to run' in result.out and not (tmp_path / 'work_dirs').exists()
    study.write_text(study.read_text().replace('test_cfg.refine', 'test_cfg.refin'))
    assert one_line(
        run_tool('run_grid.py', study), "'refin'", "the nearest is 'model.test_cfg.refine'", 'row'
    )
    assert one_line(run_tool('run_grid.py', CONFIGS / 'mcc_toy.py'), 'has no entry grid')
    assert one_line(run_tool('run_grid.py', study, '--seeds', 1, 1), 'different integers')
