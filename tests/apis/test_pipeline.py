"""Stages, reruns and failures of a pipeline, with tools that start in a moment."""

import re
import shutil
import sys
from pathlib import Path

import pytest

from mmwsss.apis.pipeline import Pipeline, StageFailed
from mmwsss.apis.slurm import Slurm, uses_gpu
from mmwsss.utils.io import read_json
from mmwsss.utils.locks import FolderLock

# The two tools append a line to <out>/runs.txt and write what later stages ask for. `train.py`
# stops after "epoch 1" with exit code 3 if there is a file `stop` in the working directory, and
# continues with --resume.
TRAIN = """
import pathlib, sys, zipfile
arguments = sys.argv[1:]
folder = pathlib.Path(arguments[arguments.index('--out') + 1])
folder.mkdir(exist_ok=True, parents=True)
def save(name):
    with zipfile.ZipFile(folder / name, 'w') as archive:
        archive.writestr('x/data/0', name + ' '.join(a for a in arguments[3:] if a != '--resume'))
    (folder / 'last_checkpoint').write_text(str(folder / name) + '\\n')
resume = '--resume' in arguments
with open(folder / 'runs.txt', 'a') as file:
    file.write('resumed\\n' if resume else 'started\\n')
print('epoch', 2 if resume else 1, flush=True)
save('epoch_1.pth')
if pathlib.Path('stop').exists():
    print('no memory left', file=sys.stderr)
    sys.exit(3)
save('epoch_2.pth')
numbers = '"cam/mIoU": 50.0, "cam/best_threshold": 0.25'
protocol = '"protocol": {"cam": {"split": "val"}, "loop": "val"}'
(folder / 'metrics.json').write_text(f'{{{numbers}, {protocol}}}')
"""
MAKE = """
import pathlib, sys
arguments = sys.argv[1:]
folder = pathlib.Path(arguments[arguments.index('--out') + 1])
folder.mkdir(exist_ok=True, parents=True)
with open(folder / 'runs.txt', 'a') as file:
    file.write(' '.join(arguments) + '\\n')
numbers = '{"mask/mIoU": 60.0, "seg/mIoU": 1.0, "protocol": {"split": "train"}}'
(folder / 'metrics.json').write_text(numbers)
"""
CONFIG = """
title = 'test'
stages = [
    dict(name='data', tool='make.py', args=['--out', '{data}'], always=True),
    dict(name='classifier', tool='train.py', args=['{configs}/model.py', '--out', '{classifier}']),
    dict(name='masks', tool='make.py',
         args=['--out', '{masks}', '{classifier.checkpoint}', '{classifier:cam/best_threshold}',
               'x={data}/y']),
    dict(name='evaluation', tool='make.py', args=['--out', '{evaluation}', '--root', '{work_dir}']),
]
results = dict(cam='classifier', mask='evaluation')
"""


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A checkout with configs and tools; the working directory."""
    files = {
        'tools/train.py': TRAIN,
        'tools/make.py': MAKE,
        'configs/model.py': 'depth = 4\n',
        'configs/pipelines/test.py': CONFIG,
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True, parents=True)
        (tmp_path / name).write_text(text)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def pipeline(home, **options):
    return Pipeline(home / 'configs' / 'pipelines' / 'test.py', work_dir=home / 'work', **options)


def statuses(summary):
    return [stage['status'] for stage in summary]


def runs(home, stage):
    return (home / 'work' / stage / 'runs.txt').read_text().splitlines()


def test_stages_and_placeholders(home, capsys):
    run = pipeline(home)
    summary = run.run()
    assert [stage['name'] for stage in summary] == [
        'data',
        'classifier',
        'masks',
        'evaluation',
    ] and statuses(summary) == ['done'] * 4
    work = home / 'work'
    assert runs(home, 'masks') == [
        f'--out {work}/masks {work}/classifier/epoch_2.pth 0.25 x={work}/data/y'
    ]
    assert runs(home, 'evaluation') == [f'--out {work}/evaluation --root {work}']
    assert run.metrics() == {
        'cam/mIoU': 50.0,
        'cam/best_threshold': 0.25,
        'mask/mIoU': 60.0,
        'protocol': {'cam': {'split': 'val'}, 'mask': {'split': 'train'}},
    }
    state = read_json(work / 'masks' / 'stage.json')
    assert (
        state['status'] == 'done'
        and state['seconds'] > 0
        and state['settings']['tool'] == 'make.py'
    )
    assert (work / 'classifier' / 'stage.log').read_text() == 'epoch 1\n'
    assert '[2/4] classifier: done in' in capsys.readouterr().out


def test_a_rerun_does_only_what_is_not_done(home):
    pipeline(home).run()
    # `always` runs, and makes nothing else run
    assert statuses(pipeline(home).run()) == ['done', 'skipped', 'skipped', 'skipped']
    assert len(runs(home, 'data')) == 2 and runs(home, 'classifier') == ['started']
    assert sum(stage['seconds'] for stage in pipeline(home).run()) > 0


def test_a_failed_stage_continues(home, capsys):
    (home / 'stop').touch()
    with pytest.raises(
        StageFailed,
        match=r'stage classifier failed with exit code 3; log: .*work/classifier/stage\.log',
    ):
        pipeline(home).run()
    assert 'no memory left' in capsys.readouterr().out
    assert 'no memory left' in (home / 'work' / 'classifier' / 'stage.log').read_text()
    assert read_json(home / 'work' / 'classifier' / 'stage.json')['status'] == 'failed'
    assert not (home / 'work' / 'masks').exists()
    (home / 'stop').unlink()
    assert statuses(pipeline(home).run()) == ['done'] * 4
    assert runs(home, 'classifier') == ['started', 'resumed']
    assert (
        home / 'work' / 'classifier' / 'stage.log'
    ).read_text() == 'epoch 1\nno memory left\nepoch 2\n'


def test_start_from_a_stage(home):
    pipeline(home).run()
    (home / 'work' / 'masks' / 'old.txt').touch()
    assert statuses(pipeline(home).run(start='masks')) == ['done', 'skipped', 'done', 'done']
    assert len(runs(home, 'masks')) == 1 and not (home / 'work' / 'masks' / 'old.txt').exists()
    with pytest.raises(
        ValueError,
        match='--from mask is not a stage; the stages are data, classifier, masks, evaluation',
    ):
        pipeline(home).run(start='mask')


def change_arguments(home):
    file = home / 'configs' / 'pipelines' / 'test.py'
    file.write_text(file.read_text().replace("'{classifier}']", "'{classifier}', '--amp']"))


def change_config(home):
    (home / 'configs' / 'model.py').write_text('depth = 5\n')


@pytest.mark.parametrize('change', [change_arguments, change_config])
def test_changed_settings(home, change):
    """A finished stage is deleted only if it is asked for; it then starts without --resume."""
    pipeline(home).run()
    before = snapshot(home / 'work' / 'classifier')
    change(home)
    message = r'work/classifier: this finished stage was made with another (arguments|config); --fr'
    with pytest.raises(ValueError, match=message):
        pipeline(home).run()
    assert snapshot(home / 'work' / 'classifier') == before
    assert len(runs(home, 'data')) == 1  # refused before anything ran
    expected = ['done', 'done', 'done' if change is change_arguments else 'skipped', 'skipped']
    assert statuses(pipeline(home).run(redo_changed=True)) == expected
    assert runs(home, 'classifier') == ['started'] and len(runs(home, 'evaluation')) == 1
    assert statuses(pipeline(home).run(start='classifier')) == ['done'] * 4


def snapshot(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_overrides(home):
    pipeline(home).run()
    options = {'stages.3.args': ['--out', '{evaluation}', 'new']}
    with pytest.raises(ValueError, match='work/evaluation: this finished stage'):
        pipeline(home, options=options).run()
    assert statuses(pipeline(home, options=options).run(redo_changed=True)) == [
        'done',
        'skipped',
        'skipped',
        'done',
    ]
    assert runs(home, 'evaluation') == [f'--out {home}/work/evaluation new']


def test_input_files_count_by_their_content(home):
    photos = home / 'photos'
    photos.mkdir()
    (photos / 'a.jpg').write_bytes(b'a')
    text = CONFIG.replace("'x={data}/y'", f"'x={photos}'")
    write_config(home, text)
    pipeline(home).run()
    (photos / 'a.jpg').touch()
    assert statuses(pipeline(home).run())[1:] == ['skipped'] * 3
    (photos / 'a.jpg').write_bytes(b'b')
    with pytest.raises(ValueError, match='work/masks: .* another input files; --from masks'):
        pipeline(home).run()
    assert statuses(pipeline(home).run(redo_changed=True))[1:] == ['skipped', 'done', 'skipped']


def test_a_moved_checkout_keeps_its_finished_stages(home, tmp_path_factory, monkeypatch):
    (home / 'photos').mkdir()
    (home / 'photos' / 'a.jpg').write_bytes(b'a')
    write_config(home, CONFIG.replace("'x={data}/y'", "'x={configs}/../photos'"))
    pipeline(home).run()
    moved = tmp_path_factory.mktemp('moved') / 'checkout'
    shutil.copytree(home, moved)
    shutil.rmtree(home)
    moved.joinpath('cwd').mkdir()
    monkeypatch.chdir(moved)
    assert statuses(pipeline(moved).run()) == ['done', 'skipped', 'skipped', 'skipped']


@pytest.mark.parametrize('damage', ['epoch_2.pth', 'metrics.json', 'both'])
def test_a_stage_whose_files_are_damaged_is_not_done(home, damage):
    pipeline(home).run()
    folder = home / 'work' / 'classifier'
    for name in ('epoch_2.pth', 'metrics.json') if damage == 'both' else (damage,):
        (folder / name).write_bytes((folder / name).read_bytes()[:-9])
    assert statuses(pipeline(home).run()) == ['done', 'done', 'skipped', 'skipped']
    assert runs(home, 'classifier') == ['started', 'resumed']  # continued, not deleted
    assert statuses(pipeline(home).run()) == ['done', 'skipped', 'skipped', 'skipped']


def test_a_stage_that_ends_well_without_its_files_is_not_done(home):
    tool = home / 'tools' / 'train.py'
    tool.write_text(TRAIN.replace("(folder / 'metrics.json')", "(folder / 'other.json')"))
    message = 'stage classifier ended without an error but is not complete: .*metrics.json'
    with pytest.raises(StageFailed, match=message):
        pipeline(home).run()
    tool.write_text(TRAIN)
    assert statuses(pipeline(home).run()) == ['done'] * 4
    assert runs(home, 'classifier') == ['started', 'resumed']


def test_half_removed_folders(home):
    """A kill inside a removal is no obstacle, whenever it came."""
    pipeline(home).run()
    (home / 'work' / 'masks' / 'stage.json').unlink()
    (home / 'work' / 'masks' / 'stage.log').unlink()
    (home / 'work' / '.removed-classifier-ab').mkdir()
    (home / 'work' / '.removed-classifier-ab' / 'x').touch()
    (home / 'work' / '.metrics.json.ab.part').touch()
    assert statuses(pipeline(home).run()) == ['done', 'skipped', 'done', 'skipped']
    assert not [path for path in (home / 'work').iterdir() if path.name.startswith('.')]


@pytest.mark.parametrize('content', ['', '[1]', '{"status": "done"}', '{'])
def test_damaged_notes(home, content):
    pipeline(home).run()
    (home / 'work' / 'masks' / 'stage.json').write_text(content)
    with pytest.raises(ValueError, match='work/masks: this finished stage .*--from masks'):
        pipeline(home).run()
    assert statuses(pipeline(home).run(start='masks'))[2:] == ['done', 'done']


def test_one_job_per_work_dir(home):
    with FolderLock(home / 'work', 'run_pipeline.py'):
        with pytest.raises(ValueError, match='work: in use by run_pipeline.py on host'):
            pipeline(home).run()
    assert not (home / 'work').exists()


def test_several_processes(home, monkeypatch):
    """Training, testing and CAM generation run under torchrun; their results are those of another
    setting.
    """
    started = []

    def start(command, **options):
        started.append(command)
        raise OSError('not started')

    monkeypatch.setattr('subprocess.Popen', start)
    run = pipeline(home, gpus=3)
    shutil.rmtree(home / 'work', ignore_errors=True)
    run.stages = run.stages[1:]
    with pytest.raises(OSError, match='not started'):
        run.run()
    command = started[0]
    assert command[1:5] == ['-m', 'torch.distributed.run', '--standalone', '--nproc_per_node=3']
    assert command[5] == str(home / 'tools' / 'train.py') and command[-2:] == [
        '--launcher',
        'pytorch',
    ]
    assert read_json(home / 'work' / 'classifier' / 'stage.json')['settings']['processes'] == 3


def test_dry_run(home, capsys):
    assert pipeline(home).run(dry_run=True) == []
    output = capsys.readouterr().out
    assert re.findall(r'\[(\d)/4\] (\w+): (\S+)', output) == [
        ('1', 'data', 'make.py'),
        ('2', 'classifier', 'train.py'),
        ('3', 'masks', 'make.py'),
        ('4', 'evaluation', 'make.py'),
    ]
    assert '{classifier:cam/best_threshold}' in output and not (home / 'work').exists()


@pytest.mark.skipif(not Path('/dev/full').exists(), reason='a device of Linux')
def test_a_full_disk_names_the_log():
    with open('/dev/full', 'ab', buffering=0) as log:
        with pytest.raises(OSError, match='/dev/full: cannot be written, no space left on device'):
            Pipeline._log(log, b'a line')


def test_folders_of_others_are_not_deleted(home):
    (home / 'work' / 'masks').mkdir(parents=True)
    (home / 'work' / 'masks' / 'photo.jpg').touch()
    with pytest.raises(
        ValueError,
        match='work/masks: holds files that do not come from a pipeline; choose another --work-dir',
    ):
        pipeline(home).run()
    assert (home / 'work' / 'masks' / 'photo.jpg').exists()


def test_a_config_outside_of_the_checkout(home, tmp_path_factory):
    """Tools and configs are then those of the package."""
    config = tmp_path_factory.mktemp('elsewhere') / 'mine.py'
    config.write_text(
        "stages = [dict(name='a', tool='train.py', args=['{configs}/mctformer_plus_toy.py'])]"
    )
    run = Pipeline(config)
    assert (run.tools / 'generate_cams.py').is_file() and (
        run.configs / 'mctformer_plus_toy.py'
    ).is_file()
    assert str(run.work_dir) == 'work_dirs/mine_pipeline'


@pytest.mark.parametrize(
    'text, message',
    [
        (
            "'{masks}', '{classifier.checkpoint}'|'{masks}', '{segmentation.checkpoint}'",
            r'stage masks: \{segmentation\.checkpoint\} names neither this stage nor one before it',
        ),
        ("'--out', '{data}'|'--out', '{masks}'", r'stage data: \{masks\} names neither'),
        ("name='masks'|name='data'", 'two stages have the name data'),
        ("name='masks'|name='configs'", 'configs cannot be the name of a stage'),
        ("tool='train.py'|tool='teach.py'", r'stage classifier: unknown tool: .*tools/teach\.py'),
        ("name='masks', |", 'a stage needs name, tool and args'),
        ("name='masks'|name='../masks'", r"'\.\./masks' cannot be the name of a stage"),
        ("name='masks'|name='a b'", "'a b' cannot be the name of a stage"),
        ('stages = |steps = ', r'test\.py: has no stages'),
        ('stages = [|stages = (', r'test\.py: not a valid config'),
    ],
)
def test_bad_configs(home, text, message):
    file = home / 'configs' / 'pipelines' / 'test.py'
    before, after = text.split('|')
    assert before in CONFIG
    file.write_text(CONFIG.replace(before, after))
    with pytest.raises(ValueError, match=message):
        pipeline(home)


def test_a_number_that_is_not_there(home):
    file = home / 'configs' / 'pipelines' / 'test.py'
    file.write_text(CONFIG.replace('cam/best_threshold', 'cam/best'))
    with pytest.raises(StageFailed, match=r"classifier/metrics\.json: has no 'cam/best'"):
        pipeline(home).run()
    with pytest.raises(FileNotFoundError, match='nowhere.py: config not found'):
        Pipeline('nowhere.py')
    with pytest.raises(
        ValueError, match=r'test\.py: these overrides do not fit it: stages\.9\.name'
    ):
        pipeline(home, options={'stages.9.name': 'x'})


def write_config(home, text):
    file = home / 'configs' / 'pipelines' / 'test.py'
    file.write_text(text)
    return file


VALUES = """
root = '/a'
photos = '{root}/photos'
baked = f'{root}/baked'
stages = [
    dict(name='first', tool='make.py', args=['--out', '{first}', '{photos}', baked]),
    dict(name='root', tool='make.py', args=['--out', '{root}', '{first}/{root}']),
]
report = dict(samples=dict(list='{photos}/list.txt'))
"""


def test_values_of_the_config_are_put_in_at_run_time(home, capsys):
    """Overrides reach them; a stage of the same name comes first."""
    write_config(
        home,
        VALUES.replace("name='root'", "name='second'").replace("'{root}', '{f", "'{second}', '{f"),
    )
    run = pipeline(home, options={'root': '/b'})
    assert run.stages[0]['args'] == ['--out', '{first}', '/b/photos', '/a/baked']
    assert run.stages[1]['args'] == ['--out', '{second}', '{first}//b']
    assert run.report == {'samples': {'list': '/b/photos/list.txt'}}
    run.run(dry_run=True)
    assert '/b/photos' in capsys.readouterr().out
    write_config(home, VALUES)
    assert pipeline(home).stages[1]['args'] == ['--out', '{root}', '{first}/{root}']


@pytest.mark.parametrize(
    'options, message',
    [
        ({'baked': '/c'}, r'the override baked changes nothing: .*copied its value'),
        ({'rot': '/c'}, r"the override rot changes nothing: .*nearest is 'root'"),
        ({'root': '/b', 'stage_option.first': 1}, r"nearest is 'stage_options'"),
        ({'stage_args.frist': ['a']}, r"has no option 'frist'; the nearest is 'first'"),
        ({'stage_options.first.a': 1}, r'make\.py reads no config; use stage_args\.first'),
    ],
)
def test_overrides_that_change_nothing(home, options, message):
    write_config(home, VALUES)
    with pytest.raises(ValueError, match=message):
        pipeline(home, options=options)
    assert pipeline(home, options={'root': '/a'}).stages  # the value that it has


def test_a_value_that_contains_itself(home):
    write_config(home, VALUES.replace("root = '/a'", "root = '{photos}'"))
    with pytest.raises(ValueError, match='root -> photos -> root: a value that contains itself'):
        pipeline(home)


def test_options_of_single_stages(home):
    write_config(home, CONFIG.replace("'{classifier}']", "'{classifier}', '--cfg-options', 'a=1']"))
    run = pipeline(
        home,
        options={
            'stage_options.classifier.model.depth': 5,
            'stage_options.classifier.scales': [1, 2],
            'stage_args.classifier': ['--amp'],
            'stage_args.masks': ['--workers', 4],
        },
    )
    words = run.stages[1]['args']
    assert words[-5:] == ['--amp', '--cfg-options', 'a=1', 'model.depth=5', 'scales=[1,2]']
    assert run.stages[2]['args'][-2:] == ['--workers', '4']


def test_best_checkpoint(home):
    write_config(home, CONFIG.replace('classifier.checkpoint', 'classifier.best_checkpoint'))
    run, folder = pipeline(home), home / 'work' / 'classifier'
    folder.mkdir(parents=True)
    with pytest.raises(FileNotFoundError, match='classifier has chosen no best checkpoint'):
        run.expand('{classifier.best_checkpoint}')
    for name in ('best_seg_mIoU_iter_900.pth', 'best_seg_mIoU_iter_1000.pth', 'iter_2000.pth'):
        (folder / name).touch()
    best = run.expand('{classifier.best_checkpoint}')
    assert best == str(folder / 'best_seg_mIoU_iter_1000.pth')
    (folder / 'best_cam_mIoU_iter_900.pth').touch()
    with pytest.raises(ValueError, match='several metrics'):
        run.expand('{classifier.best_checkpoint}')


def test_stages_as_steps_of_slurm(home, monkeypatch):
    """A fake srun notes its words and runs the rest; stages ask for what they use."""
    monkeypatch.setenv('PATH', str(home / 'bin'))
    with pytest.raises(ValueError, match='--launcher slurm: srun is not on this machine'):
        pipeline(home, slurm=Slurm())
    srun = home / 'bin' / 'srun'
    srun.parent.mkdir()
    srun.write_text(
        f'#!{sys.executable}\n'
        'import os, pathlib, sys\n'
        "at = next(i for i, word in enumerate(sys.argv) if '/python' in word)\n"
        f"with open({str(home / 'srun.txt')!r}, 'a') as file:\n"
        "    file.write(' '.join(sys.argv[1:at]) + '\\n')\n"
        'os.execv(sys.argv[at], sys.argv[at:])\n'
    )
    srun.chmod(0o755)
    write_config(home, CONFIG.replace("name='masks',", "name='masks', slurm=['--mem=8G'],"))
    run = pipeline(home, gpus=12, slurm=Slurm(extra=('-p', 'gpu')))
    assert statuses(run.run()) == ['done'] * 4
    lines = (home / 'srun.txt').read_text().splitlines()
    assert [line.split()[1] for line in lines] == [
        f'--job-name=test-{name}' for name in ('data', 'classifier', 'masks', 'evaluation')
    ]
    assert '--ntasks=12 --ntasks-per-node=8 --gres=gpu:8 --cpus-per-task=5 -p gpu' in lines[1]
    assert all('gres' not in line and '--ntasks=1 ' in line for line in (lines[0], *lines[2:]))
    assert lines[2].endswith('-p gpu --mem=8G')
    assert uses_gpu(dict(tool='refine_cams.py', args=['--checkpoint', 'a.pth']))
