"""What two processes of torchrun leave on the screen when one of them fails, or waits in vain."""

import re
import socket
import subprocess
import sys

import pytest
from mmengine.config import Config

from mmwsss.preparation.toy_shapes import write_toy_shapes
from tests.tools.program import CONFIGS, TINY, TOOLS, environment, words

pytestmark = [pytest.mark.dist, pytest.mark.slow]
# one photo that a transform cannot cope with, or that takes for ever
PARTS = """
import time

from mmwsss.datasets.transforms import LoadImage
from mmwsss.registry import TRANSFORMS


@TRANSFORMS.register_module()
class Trap(LoadImage):
    def __init__(self, img_id, seconds=0):
        super().__init__()
        self.img_id, self.seconds = img_id, seconds

    def transform(self, results):
        if results['img_id'] == self.img_id and not self.seconds:
            raise KeyError('no such field')
        if results['img_id'] == self.img_id:
            time.sleep(self.seconds)
        return super().transform(results)
"""


@pytest.fixture(scope='module')
def toy(tmp_path_factory):
    root = tmp_path_factory.mktemp('ranks') / 'toy'
    write_toy_shapes(root, train=8, val=2, test=2, size=(64, 80), workers=1)
    return root


def run_two(folder, toy, *, timeout=1800, **trap):
    """Train by two processes with a trap; returns the exit code and what was printed."""
    (folder / 'traps.py').write_text(PARTS)
    config = Config.fromfile(CONFIGS / 'mctformer_plus_toy.py')
    config.train_dataloader.dataset.pipeline[0] = dict(type='Trap', **trap)
    config.custom_imports = 'traps'
    config.dump(folder / 'trapped.py')
    options = {
        **TINY,
        'data_root': toy,
        'model.backbone.arch.num_layers': 2,
        'train_cfg.max_epochs': 1,
        'env_cfg.dist_cfg.timeout': timeout,
    }
    command = [sys.executable, '-m', 'torch.distributed.run', '--standalone', '--nproc_per_node=2']
    command += words(
        TOOLS / 'train.py',
        folder / 'trapped.py',
        *('--work-dir', folder / 'run', '--launcher', 'pytorch'),
        options=options,
    )
    result = subprocess.run(command, cwd=folder, env=environment(), capture_output=True, text=True)
    return result.returncode, result.stderr


def before_the_launcher(text):
    """What was printed before torchrun's own report."""
    assert 'ChildFailedError' in text, text
    return text.partition('torch/distributed/elastic')[0]


def test_one_rank_fails_on_one_image(toy, tmp_path):
    code, text = run_two(tmp_path, toy, img_id='train_00005')
    assert code == 1
    line = re.search(r'^error: rank [01] of 2 on .*$', text, re.MULTILINE)
    assert line and line[0].startswith(f'error: {line[0][7:13]} of 2 on {socket.gethostname()}: ')
    assert 'train_00005.jpg: KeyError' in line[0] and 'last batch' not in line[0]
    assert text.index(line[0]) < text.index('Traceback')
    assert line[0] in before_the_launcher(text)


def test_a_stalled_rank_ends_by_the_timeout(toy, tmp_path):
    code, text = run_two(tmp_path, toy, timeout=10, img_id='train_00005', seconds=300)
    assert code == 1
    line = re.search(r'^error: rank [01] of 2 on .* did not answer in time: .*$', text, re.M)
    assert line and '--cfg-options env_cfg.dist_cfg.timeout=' in line[0], text
    assert line[0] in before_the_launcher(text)
