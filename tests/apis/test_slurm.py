"""Stages as jobs of Slurm: scripts, their order, and a whole pipeline through fake commands."""

import os
import shlex
import sys

import pytest

from mmwsss.apis.slurm import Slurm, joined, sbatch, submit_chain, uses_gpu, write_script
from mmwsss.utils.io import read_json
from tests.tools.program import one_line, run_tool

# appends its arguments to <out>/runs.txt and writes what later stages ask for
TOOL = """
import json, pathlib, sys
folder = pathlib.Path(sys.argv[sys.argv.index('--out') + 1])
folder.mkdir(exist_ok=True, parents=True)
with open(folder / 'runs.txt', 'a') as file:
    file.write(' '.join(sys.argv[1:]) + '\\n')
(folder / 'metrics.json').write_text(json.dumps({'best/beta': 4}))
"""
CONFIG = """
stages = [
    dict(name='labels', tool='make_affinity_labels.py', args=['--out', '{labels}']),
    dict(name='sweep', tool='sweep_refinement.py',
         args=['--out', '{sweep}', '--checkpoint', 'a.pth']),
    dict(name='masks', tool='refine_cams.py', slurm=['--mem=8G'],
         args=['--out', '{masks}', '--beta', '{sweep:best/beta}']),
]
"""
SBATCH = """#!{python}
import sys
with open({log!r}, 'a') as file:
    file.write(' '.join(sys.argv[1:]) + '\\n')
number = sum(1 for line in open({log!r}))
print(f'{{100 + number}};cluster')
"""
SRUN = """#!{python}
import os, sys
at = next(index for index, word in enumerate(sys.argv) if '/python' in word)
with open({log!r}, 'a') as file:
    file.write(' '.join(sys.argv[1:at]) + '\\n')
os.execv(sys.argv[at], sys.argv[at:])
"""


def put(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A checkout with tools that only note what they are called with, and fake commands."""
    for tool in ('make_affinity_labels.py', 'sweep_refinement.py', 'refine_cams.py'):
        put(tmp_path / 'tools' / tool, TOOL)
    put(tmp_path / 'configs' / 'pipelines' / 'test.py', CONFIG)
    put(tmp_path / 'a.pth', 'weights')
    for name, text in (('sbatch', SBATCH), ('srun', SRUN)):
        log = str(tmp_path / f'{name}.txt')
        put(tmp_path / 'bin' / name, text.format(python=sys.executable, log=log))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv('PATH', f'{tmp_path / "bin"}:{os.environ["PATH"]}')
    monkeypatch.setenv('MMWSSS_OFFLINE', '1')
    return tmp_path


def submit(home, *args):
    config = home / 'configs' / 'pipelines' / 'test.py'
    return run_tool('run_pipeline.py', config, '--work-dir', 'work', '--launcher', 'sbatch', *args)


def test_a_job_for_each_stage(home):
    """Every stage is submitted with its own resources, starts after the one before, and runs as a
    step; done before, it is not submitted again.
    """
    resources = ('--gpus', 4, '--cpu-processes', 2, '--slurm-args', '-p gpu --time=1:00')
    result = submit(home, *resources)
    assert result.code == 0, result
    assert result.out.splitlines() == ['labels: job 101', 'sweep: job 102', 'masks: job 103']
    submitted = (home / 'sbatch.txt').read_text().splitlines()
    assert ['--dependency=afterok:101' in line for line in submitted] == [False, True, False]
    assert '--dependency=afterok:102 --kill-on-invalid-dep=yes' in submitted[2]
    scripts = {
        name: (home / 'work' / 'slurm' / f'{name}.sh').read_text()
        for name in ('labels', 'sweep', 'masks')
    }
    assert all('#SBATCH -p gpu\n#SBATCH --time=1:00\n' in text for text in scripts.values())
    assert '#SBATCH --gres=gpu:4\n' in scripts['sweep'] and '--ntasks=4\n' in scripts['sweep']
    assert 'gres' not in scripts['labels'] and '--ntasks=2\n' in scripts['labels']
    assert '#SBATCH --mem=8G\n' in scripts['masks']
    command = shlex.split(scripts['masks'].splitlines()[-1])
    assert command[-4:] == ['--launcher', 'slurm', '--until', 'masks']
    assert '--gpus' in command and '--slurm-args' not in command
    for text in scripts.values():  # as the queue would run them, but without imports of their own
        words = shlex.split(text.splitlines()[-1])
        assert words[:2] == ['exec', sys.executable]
        assert run_tool('run_pipeline.py', *words[3:]).code == 0
    steps = (home / 'srun.txt').read_text().splitlines()
    assert [step.split()[1] for step in steps] == [
        f'--job-name=test-{name}' for name in ('labels', 'sweep', 'masks')
    ]
    called = {
        name: (home / 'work' / name / 'runs.txt').read_text().splitlines() for name in scripts
    }
    assert all(len(lines) == 1 for lines in called.values())
    assert '--beta 4' in called['masks'][0] and called['masks'][0].endswith('--launcher slurm')
    assert read_json(home / 'work' / 'masks' / 'stage.json')['status'] == 'done'
    again = submit(home, *resources)
    assert again.code == 0 and not again.out


def test_what_does_not_go_together(home, monkeypatch):
    one_line(submit(home, '--from', 'masks'), 'does not go with --from and --until')
    result = run_tool(
        'run_pipeline.py', home / 'configs' / 'pipelines' / 'test.py', '--slurm-args', '-p gpu'
    )
    one_line(result, '--slurm-args goes with --launcher slurm or sbatch')
    monkeypatch.setenv('PATH', str(home))
    one_line(submit(home), 'sbatch not found; the scripts are written to')
    assert (home / 'work' / 'slurm' / 'labels.sh').is_file()


def test_a_refusal_of_the_queue(home):
    put(home / 'bin' / 'sbatch', '#!/bin/sh\necho invalid partition >&2; exit 1\n')
    write_script(home / 'x.sh', [], ['true'])
    with pytest.raises(ValueError, match='invalid partition'):
        sbatch([str(home / 'x.sh')], home)
    said = []
    with pytest.raises(ValueError, match='invalid partition'):
        submit_chain([('a', ['-p', 'gpu'], ['true'])], home / 'jobs', said.append)
    assert not said and joined(['-p', 'gpu', '--mem=1G']) == ['-p gpu', '--mem=1G']


def test_resources():
    stage = dict(name='masks', tool='refine_cams.py', args=['--checkpoint', 'a.pth'])
    assert uses_gpu(stage) and not uses_gpu(dict(stage, args=[]))
    options = Slurm(gpus_per_node=4, cpus_per_gpu=6).options(stage, 8, 'job')
    assert options == [
        '--job-name=job-masks',
        '--ntasks=8',
        '--ntasks-per-node=4',
        '--gres=gpu:4',
        '--cpus-per-task=6',
    ]
    assert Slurm(cpus=3).words(dict(stage, args=[]), 1, 'job')[0] == 'srun'
