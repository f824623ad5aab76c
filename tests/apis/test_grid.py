"""Studies with tools that start in a moment: what is run, shared, continued, refused and
tabulated.
"""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from mmwsss.apis.grid import Grid
from mmwsss.apis.grid_runner import RunsFailed, run_grid, submit_grid
from mmwsss.apis.grid_table import write_tables
from mmwsss.utils.io import read_json
from tests.tools.program import ROOT, environment

# Runs the stages of a pipeline: `train.py` notes the learning rate and the seed, `test.py` makes
# a number of them. A file `fail` stops trainings with lr 3, a file `wait` holds all of them.
RUN = """
import json, pathlib, sys, time
spec, folder = {}, pathlib.Path(sys.argv[3])
exec(open(sys.argv[1]).read(), spec)
for stage in spec['stages']:
    place = folder / stage['name']
    place.mkdir(parents=True, exist_ok=True)
    config = {}
    name = next(arg for arg in stage['args'] if arg.endswith('.py'))
    exec(open(name.replace('{work_dir}', str(folder))).read(), config)
    steps = config['train_cfg']['max_iters']
    with open('calls.txt', 'a') as file:
        file.write(f"{stage['tool']} {stage['name'].partition('-')[0]} {steps}\\n")
    while pathlib.Path('wait').exists():
        time.sleep(0.01)
    if pathlib.Path('fail').exists() and steps == 3:
        sys.exit(4)
    value = 10 * steps + config['randomness']['seed'] + 100 * ('--tta' in stage['args'])
    (place / 'metrics.json').write_text(json.dumps({'seg/mIoU': value}))
(folder / 'metrics.json').write_text('{"total": 7}')
"""
BASE = """
train_cfg = dict(max_iters=1)
log_level = 8
randomness = dict(seed=0)
env_cfg = dict(cudnn_benchmark=3)
custom_hooks = [dict(a=1)]
"""
GRID = """
grid = dict(
    title='A study', source='Some paper, Table 1', note='Short.',
    base='{{configs}}/base.py', seeds=[0, 1],
    tests=[dict(name='val', args=['--split', 'val'])],
    columns=dict(seg=dict(title='mIoU', test='val', key='seg/mIoU')),
    rows=[
        dict(name='plain', published=dict(seg=11.5), x=1),
        dict(name='larger & faster', options={{'train_cfg.max_iters': 2}}, x=2),
        dict(name='with tta', options={{'train_cfg.max_iters': 2}}, test_args=['--tta'], x=3),
        {more}
    ],
)
"""


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A checkout with configs and tools; the working directory."""
    files = {
        'tools/run_pipeline.py': RUN,
        'tools/train.py': '',
        'tools/test.py': '',
        'tools/make.py': "open('made.txt', 'a').write('x')\n",
        'configs/base.py': BASE,
        'configs/study.py': GRID.format(more=''),
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(grid, **options):
    lines = []
    settings = dict(jobs=2, finished=lambda: None, **options)
    run_grid(grid, report=lines.append, **settings)
    return lines


def calls(home):
    path = home / 'calls.txt'
    return sorted(path.read_text().splitlines()) if path.exists() else []


def change(home, old, new, name='study.py'):
    path = home / 'configs' / name
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_rows_that_train_the_same_share_a_run(home):
    grid = Grid('configs/study.py')
    assert len(grid.runs) == 4 and len(grid.cells) == 6
    run(grid)
    assert calls(home) == sorted(
        2 * ['test.py val 1', 'test.py val 2', 'test.py val 2', 'train.py training 1']
        + 2 * ['train.py training 2']
    )
    text = write_tables(grid)
    assert [line.split('|')[1:5] for line in text.splitlines()[3:6]] == [
        [' plain           ', '   2/2 ', '  10.5 ± 0.7 ', '      11.5 '],
        [' larger & faster ', '   2/2 ', '  20.5 ± 0.7 ', '         - '],
        [' with tta        ', '   2/2 ', ' 120.5 ± 0.7 ', '         - '],
    ]
    assert text.splitlines()[6:] == [
        'Mean and standard deviation (n - 1) over the seeds 0, 1.',
        'Published: Some paper, Table 1.',
        'Short.',
    ]


def test_files_of_the_table(home):
    grid = Grid('configs/study.py')
    run(grid)
    write_tables(grid)
    folder = grid.work_dir
    assert (folder / 'table.csv').read_text().splitlines()[:2] == [
        'row,column,key,mean,deviation,published,source,seed 0,seed 1',
        'plain,seg,seg/mIoU,10.5,0.7071067811865476,11.5,"Some paper, Table 1",10.0,11.0',
    ]
    assert r'larger \& faster & 2/2 & 20.5 $\pm$ 0.7 & -- \\' in (folder / 'table.tex').read_text()
    table = read_json(folder / 'table.json')
    assert table['rows'][2]['values']['seg'] == dict(
        mean=120.5, deviation=pytest.approx(0.7071, abs=1e-4), seeds={'0': 120.0, '1': 121.0}
    )
    assert (folder / table['rows'][2]['runs']['1'] / 'pipeline.py').is_file()
    assert (folder / 'table.md').read_text().startswith('A study\n\n| row')
    assert (folder / 'plot.png').read_bytes().startswith(b'\x89PNG')


def test_what_is_done_is_not_run_again(home):
    run(Grid('configs/study.py'))
    before = calls(home)
    assert run(Grid('configs/study.py')) == [
        f'{name}, seed {seed}: done before' for name in ('plain', 'larger & faster')
        for seed in (0, 1)
    ]  # fmt: skip
    change(
        home, "'train_cfg.max_iters': 2}, x=2", "'train_cfg.max_iters': 4}, x=2"
    )  # of one row; its training is a new one
    run(Grid('configs/study.py'))
    again = [line for line in calls(home) if line.endswith(' 4')]
    assert again == 2 * ['test.py val 4'] + 2 * ['train.py training 4']
    assert len(calls(home)) >= len(before) + 4
    change(home, 'log_level = 8', 'log_level = 9', 'base.py')  # of the content that all rows share
    assert not any(one.is_done() for one in Grid('configs/study.py').runs)


def test_a_renamed_row_keeps_its_run(home):
    run(Grid('configs/study.py'))
    change(home, "name='plain'", "name='simple'")
    grid = Grid('configs/study.py')
    done = [one.is_done() for one in grid.runs]
    assert done == [True] * 4


def test_a_new_seed_costs_its_own_runs(home):
    run(Grid('configs/study.py'))
    grid = Grid('configs/study.py', seeds=[0, 1, 2])
    assert [one.is_done() for one in grid.runs] == [True, True, False, True, True, False]


def test_a_failure_does_not_stop_the_others(home):
    change(home, 'x=3),', "x=3),\n dict(name='bad', options={'train_cfg.max_iters': 3}),")
    (home / 'fail').touch()
    grid = Grid('configs/study.py')
    with pytest.raises(RunsFailed, match=r'2 of 6 runs failed: bad, seed 0 \(.*run\.log\)'):
        run(grid)
    text = write_tables(grid)
    assert '| bad             |   0/2 |           - |' in text
    (home / 'fail').unlink()
    lines = run(Grid('configs/study.py'))
    assert len([line for line in lines if 'done before' in line]) == 4
    assert '30.5 ± 0.7' in write_tables(Grid('configs/study.py'))


PROGRAM = """
import signal, sys
signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
from mmwsss.apis.grid import Grid
from mmwsss.apis.grid_runner import run_grid
run_grid(Grid('configs/study.py'), jobs=2, report=print, finished=lambda: None)
"""


@pytest.mark.slow
def test_stopping_ends_the_runs(home):
    (home / 'wait').touch()
    process = subprocess.Popen([sys.executable, '-c', PROGRAM], env=environment(), cwd=home)
    end = time.monotonic() + 120
    while len(calls(home)) < 2:
        assert process.poll() is None and time.monotonic() < end
        time.sleep(0.02)
    children = open(f'/proc/{process.pid}/task/{process.pid}/children').read().split()
    process.terminate()
    assert process.wait(60) == 128 + signal.SIGTERM
    assert len(children) == 2 and not any(os.path.exists(f'/proc/{child}') for child in children)
    (home / 'wait').unlink()
    grid = Grid('configs/study.py')
    run(grid)
    assert all(one.is_done() for one in grid.runs)


def test_prepare_runs_once_before_everything(home):
    change(home, 'seeds=[0, 1],', "seeds=[0, 1], prepare=[dict(tool='make.py', args=[])],")
    run(Grid('configs/study.py'))
    assert (home / 'made.txt').read_text() == 'x'


@pytest.mark.parametrize(
    'old, new, message',
    [
        (
            "'train_cfg.max_iters': 2}, x=2",
            "'log_levle': 2}, x=2",
            "row 'larger & faster': .*log_levle changes nothing.*'log_level'",
        ),
        (
            "'train_cfg.max_iters': 2}, x=2",
            "'env_cfg.cudnn_bench': 2}, x=2",
            "env_cfg has no option 'cudnn_bench'",
        ),
        ("'train_cfg.max_iters': 2}, x=2", "'custom_hooks.1.a': 2}, x=2", 'custom_hooks.1.a'),
        ("test='val'", "test='vall'", "column 'seg': unknown test: 'vall'; the nearest is 'val'"),
        ('seeds=[0, 1]', 'seeds=[0, 0]', 'different integers'),
        ('seeds=[0, 1]', "seeds=[0, 'a']", 'different integers'),
        ('seeds=[0, 1]', 'seeds=[-1]', 'of at least 0'),
        ('note=', 'notes=', "unknown entry 'notes'; the nearest is 'note'"),
        ("name='with tta'", "name='plain'", "two rows have the name 'plain'"),
        ('published=dict(seg', 'published=dict(segg', "unknown entry 'segg'; the nearest is 'seg'"),
        ('/base.py', '/bose.py', 'config not found'),
        ("name='val'", "name='val', tool='tast.py'", 'unknown tool'),
        ('x=1', "checkpoint='weights_{seed}.pth'", 'seed 0: checkpoint not found'),
        ('x=1', 'train=False', 'needs a checkpoint, but nothing is trained'),
    ],
)
def test_mistakes_are_found_before_the_first_run(home, old, new, message):
    change(home, old, new)
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        Grid('configs/study.py')
    assert not calls(home) and not (home / 'work_dirs').exists()


def test_given_weights_are_tested_only(home):
    for seed in (0, 1):
        (home / f'weights_{seed}.pth').touch()
    change(home, 'x=1', "checkpoint='weights_{seed}.pth'")
    run(Grid('configs/study.py'))
    assert 'train.py training 1' not in calls(home) and calls(home).count('test.py val 1') == 2


def test_options_of_components_that_the_config_leaves_out(home):
    config = home / 'configs' / 'model.py'
    config.write_text(
        '_base_ = [{!r}]\ntrain_cfg = dict(max_iters=1)\n'.format(str(ROOT / 'configs/mcc_toy.py'))
    )
    change(home, '{configs}/base.py', '{configs}/model.py')
    change(home, "'train_cfg.max_iters': 2}, x=2", "'model.loss_weights.contrast': 0.0}, x=2")
    change(home, "'train_cfg.max_iters': 2}, test", "'model.affinity_loss': dict()}, test")
    assert len(Grid('configs/study.py').runs) == 6
    for option, message in (
        ('model.loss_weights.contrst', "model.loss_weights has no option 'contrst'.*contrast'"),
        ('model.pseudo_label.hihg', "the nearest is 'model.pseudo_label.high'"),
        ('model.bakbone.depth', "has no option 'bakbone'; the nearest is 'model.backbone'"),
        ('model.backbone.drop_path', "has no option 'drop_path'; the nearest is"),
    ):
        change(home, 'model.loss_weights.contrast', option)
        with pytest.raises(ValueError, match=message):
            Grid('configs/study.py')
        change(home, option, 'model.loss_weights.contrast')
    change(home, "'model.loss_weights.contrast': 0.0", "'model.momentum': 2, 'model.num_masks': -1")
    change(home, 'model.affinity_loss', 'model.pseudo_label.seg_cam')
    with pytest.raises(ValueError, match='the model cannot be built'):
        Grid('configs/study.py')


PIPELINE = """
stages = [
    dict(name='training', tool='train.py',
         args=['{configs}/base.py', '--work-dir', '{training}',
               '--cfg-options', 'train_cfg.max_iters=9', 'log_level=2']),
    dict(name='eval', tool='test.py', args=['{configs}/base.py', '--tta']),
    dict(name='plain', tool='make.py', args=['--out', '{plain}']),
]
results = dict(seg='eval')
"""


def test_options_of_a_pipeline_go_by_stage(home):
    (home / 'configs' / 'pipe.py').write_text(PIPELINE)
    change(home, '{configs}/base.py', '{configs}/pipe.py')
    change(home, "tests=[dict(name='val', args=['--split', 'val'])],", '')
    change(home, "test='val'", "test='eval'")
    change(home, "{'train_cfg.max_iters': 2}, x=2", "{'training': {'train_cfg.max_iters': 5}}, x=2")
    change(home, "{'train_cfg.max_iters': 2}, test_args=['--tta']", "{'eval': {'log_level': 3}}")
    grid = Grid('configs/study.py', seeds=[4])
    stages, config = {}, {}
    exec(grid.runs[1].files['pipeline.py'], stages)
    exec(grid.runs[1].files['base.py'], config)
    assert stages['stages'][0]['args'] == [
        '{work_dir}/base.py', '--work-dir', '{training}', '--cfg-options', 'log_level=2'
    ]  # fmt: skip
    assert stages['stages'][1]['args'] == ['{work_dir}/base.py', '--tta']
    assert (config['train_cfg']['max_iters'], config['randomness']) == (5, dict(seed=4))
    assert stages['results'] == dict(seg='eval')
    change(
        home, "{'training': {'train_cfg.max_iters': 5}}", "{'trainig': {'train_cfg.max_iters': 5}}"
    )
    with pytest.raises(ValueError, match="unknown entry 'trainig'; the nearest is 'training'"):
        Grid('configs/study.py')
    change(home, "{'trainig': {'train_cfg.max_iters': 5}}", "{'plain': {'train_cfg.max_iters': 5}}")
    with pytest.raises(ValueError, match="stage 'plain' has no config"):
        Grid('configs/study.py')


SBATCH = """#!/usr/bin/env bash
echo "$@" >> sbatch.txt
echo "$(wc -l < sbatch.txt);cluster"
"""


def test_slurm(home, monkeypatch):
    (home / 'bin').mkdir()
    (home / 'bin' / 'sbatch').write_text(SBATCH)
    (home / 'bin' / 'sbatch').chmod(0o755)
    monkeypatch.setenv('PATH', f'{home / "bin"}:{os.environ["PATH"]}')
    grid, lines = Grid('configs/study.py'), []
    settings = dict(jobs=3, gpus=2, options=['--partition=gpu'], report=lines.append)
    submit_grid(grid, ['python', 'collect'], **settings)
    folder = home / 'work_dirs/grids/study/slurm'
    script = (folder / 'array.sh').read_text()
    assert '#SBATCH --array=0-3%3\n' in script and '#SBATCH --gres=gpu:2\n' in script
    assert '#SBATCH --partition=gpu\n' in script
    assert (home / 'sbatch.txt').read_text().splitlines() == [
        f'--parsable {folder}/array.sh',
        f'--parsable --dependency=afterany:1 {folder}/table.sh',
    ]
    assert lines == ['submitted 4 runs as job 1, the table as job 2']
    assert 'exec python collect' in (folder / 'table.sh').read_text()
    for task in range(4):  # what Slurm would do; the stand-in for run_pipeline.py wants no --gpus
        text = script.replace('run_pipeline.py --gpus 2', 'run_pipeline.py')
        variables = dict(environment(), SLURM_ARRAY_TASK_ID=str(task))
        subprocess.run(['bash', '-c', text], env=variables, check=True)
    assert '20.5 ± 0.7' in write_tables(Grid('configs/study.py'))
    submit_grid(Grid('configs/study.py'), ['python', 'collect'], **settings)
    assert lines[-1] == 'nothing left to run'


def test_without_slurm_the_scripts_are_written(home, monkeypatch):
    monkeypatch.setenv('PATH', str(home))
    with pytest.raises(ValueError, match='sbatch not found; the scripts are written'):
        submit_grid(
            Grid('configs/study.py'), ['x'], jobs=1, gpus=1, options=[], report=lambda text: None
        )
    assert (home / 'work_dirs/grids/study/slurm/array.sh').is_file()


def test_reference_rows_and_numbers_from_elsewhere(home):
    change(
        home,
        'x=3),',
        "x=3),\n dict(name='authors', reference=True, published=dict(seg=70.1)),\n"
        "dict(name='whole', keys=dict(seg=':total')),\n dict(name='maps', keys=dict(seg=None)),",
    )
    grid = Grid('configs/study.py', seeds=[0])
    run(grid)
    text = write_tables(grid)
    assert len(grid.runs) == 2  # "whole" trains as "plain" does
    rows = [[cell.strip() for cell in line.split('|')[1:-1]] for line in text.splitlines()[6:9]]
    assert rows == [
        ['authors', '-', '-', '70.1'],
        ['whole', '1/1', '7.0', '-'],
        ['maps', '0/1', '-', '-'],
    ]
    change(home, "':total'", "'vall:total'")
    with pytest.raises(ValueError, match="unknown test: 'vall'; the nearest is 'val'"):
        Grid('configs/study.py')


def test_tests_find_the_folders_of_earlier_ones(home):
    change(
        home,
        "args=['--split', 'val'])],",
        "args=['--split', 'val']),\n dict(name='sum', tool='make.py', "
        "args=['{config}', '{checkpoint}', '{val}/x', '{val:seg/mIoU}', '{here}/m', '{configs}']"
        ')],',
    )
    content = {}
    exec(Grid('configs/study.py').runs[0].files['pipeline.py'], content)
    val, last = content['stages'][1]['name'], content['stages'][2]
    assert last['args'] == [
        '{work_dir}/base.py', '{training.checkpoint}', f'{{{val}}}/x', f'{{{val}:seg/mIoU}}',
        f'{{{last["name"]}}}/m', str(home / 'configs'),
    ]  # fmt: skip


def test_a_missing_number_is_named(home):
    change(home, "key='seg/mIoU'", "key='seg/miou'")
    grid = Grid('configs/study.py', seeds=[0])
    run(grid)
    with pytest.raises(ValueError, match=r"metrics\.json: has no number 'seg/miou'"):
        write_tables(grid)
    assert json.loads((grid.runs[0].folder / 'metrics.json').read_text()) == {'total': 7}
