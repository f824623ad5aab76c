"""Documentation is code: every command and program in README and docs is run on tiny data, or at
least parsed by the tool it calls.

A fenced block is run unless the line above it says otherwise:

    <!-- test: parse -->       needs data or hardware that a test has not: options, files and config
    keys are checked <!-- test: save FILE -->   a config that the reader is told to save
"""

import copy
import importlib.util
import inspect
import os
import re
import shlex
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch
from mmengine.config import Config
from PIL import Image

from mmwsss.__main__ import COMMANDS
from mmwsss.apis import load_config
from mmwsss.datasets import ImageTagDataset
from mmwsss.functional.reactivation import token_labels
from mmwsss.models import affinity, algorithms, modules, segmentors
from mmwsss.models.backbones import TokenViT
from mmwsss.models.heads import ClassTokenHead, PatchCAMHead
from mmwsss.models.losses import (
    AttentionAffinityLoss,
    MaskedContrastLoss,
    ReliabilityWeightedLoss,
    SegToCAMLoss,
)
from mmwsss.models.losses.class_token_contrast_loss import ClassTokenContrastLoss
from mmwsss.models.refiners import PAR
from mmwsss.registry import MODELS
from mmwsss.utils.cli import run_main
from mmwsss.utils.io import read_id_list, read_image, read_json, write_cam

ROOT = Path(__file__).parents[1]
DOCUMENTS = [
    ROOT / 'README.md',
    ROOT / 'CHANGELOG.md',
    ROOT / 'CONTRIBUTING.md',
    ROOT / 'CODE_OF_CONDUCT.md',
    *sorted((ROOT / 'docs').rglob('*.md')),
    *sorted((ROOT / 'configs').glob('*/README.md')),
]
FENCE = re.compile(
    r'^(?:<!-- test: (?P<how>\w+) ?(?P<file>\S*) -->\n)?```(?P<language>\w*)\n(?P<text>.*?)^```$',
    re.MULTILINE | re.DOTALL,
)
LINK = re.compile(r'\]\(([^)#\s]+)(?:#[^)]*)?\)')
MOST_BYTES = 300_000
# plain shell that needs neither network nor packages is run, the rest is only checked for its
# syntax
RUN_IN_SHELL, KNOWN_IN_SHELL = ('tail',), ('cd', 'cp', 'curl', 'ln', 'mkdir', 'pip', 'tar', 'unzip')
LAUNCHERS = {
    'dist_train.sh': ('config', 'number'),
    'dist_test.sh': ('config', 'checkpoint', 'number'),
    'slurm_train.sh': ('partition', 'job', 'config'),
    'slurm_test.sh': ('partition', 'job', 'config', 'checkpoint'),
}


class Block(NamedTuple):
    """A fenced block."""

    language: str
    how: str
    file: str
    text: str
    line: int


def read_blocks(document):
    content = document.read_text(encoding='utf-8')
    return [
        Block(
            match['language'],
            match['how'] or 'run',
            match['file'],
            match['text'],
            content[: match.start('text')].count('\n') + 1,
        )
        for match in FENCE.finditer(content)
    ]


def name_of(document):
    return str(document.relative_to(ROOT))


# the text -----------------------------------------------------------------------------------------


@pytest.mark.parametrize('document', DOCUMENTS, ids=name_of)
def test_links_and_fences(document):
    content = document.read_text(encoding='utf-8')
    for target in LINK.findall(content):
        if not target.startswith(('http://', 'https://')):
            path = document.parent / target
            assert path.exists(), f'{target} does not exist'
            assert (
                path.suffix not in ('.png', '.svg', '.jpg') or path.stat().st_size < MOST_BYTES
            ), f'{target} is too large for a page'
    assert content.count('\n```') == 2 * len(read_blocks(document)), (
        'a fence that this test does not recognise'
    )
    assert {block.language for block in read_blocks(document)} <= {
        'bash',
        'python',
        'text',
        'bibtex',
    }


def test_no_placeholder_is_left():
    """Numbers are filled in from measurements; until then their names stand in the text between
    double at signs.
    """
    files = [*DOCUMENTS, *(ROOT / 'configs').rglob('metafile.yml'), ROOT / 'CITATION.cff']
    left = sorted(
        {
            token
            for file in files
            for token in re.findall('@@[A-Z0-9_]+@@', file.read_text(encoding='utf-8'))
        }
    )
    assert not left, f'not yet measured: {", ".join(left)}'


@pytest.mark.parametrize('document', DOCUMENTS, ids=name_of)
def test_model_options_exist(document):
    accepted = {
        'contrast_loss': ClassTokenContrastLoss,
        'backbone': TokenViT,
        'patch_head': PatchCAMHead,
        'class_head': ClassTokenHead,
        'consistency': modules.ViewConsistency,
        'affinity_loss': AttentionAffinityLoss,
        'par': PAR,
        'labels': token_labels,
        'cam_loss': SegToCAMLoss,
        'reliability_loss': ReliabilityWeightedLoss,
    }
    accepted = {name: set(inspect.signature(kind).parameters) for name, kind in accepted.items()}
    accepted['contrast_loss'] |= set(inspect.signature(MaskedContrastLoss).parameters)
    classes = [
        getattr(package, name)
        for package in (affinity, algorithms, modules, segmentors)
        for name in package.__all__
    ]
    for part in ('pseudo_label', 'loss_weights'):
        accepted[part] = set().union(*(getattr(kind, f'default_{part}', ()) for kind in classes))
    accepted['loss_starts'] = accepted['loss_weights']
    accepted['test_cfg'] = set().union(
        *(kind.default_test_cfg for kind in classes if hasattr(kind, 'default_test_cfg'))
    )
    options = set().union(*(inspect.signature(kind).parameters for kind in classes))
    for option in re.findall(r'`model\.([\w.]+)', document.read_text(encoding='utf-8')):
        part, _, name = option.partition('.')
        name = name.partition('.')[0]
        assert name in accepted[part] if name else part in options, f'model.{option} is no option'


# the commands -------------------------------------------------------------------------------------


@pytest.fixture
def place(tmp_path, toy_root, monkeypatch):
    """A folder where the commands find what they name: configs, tools, toy data, a few photos, and
    results of the demo.
    """
    for name in ('tools', 'docs', 'requirements'):
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / 'configs').mkdir()
    for entry in (ROOT / 'configs').iterdir():
        (tmp_path / 'configs' / entry.name).symlink_to(entry)
    (tmp_path / 'data').mkdir()
    (tmp_path / 'data' / 'toy_shapes').symlink_to(toy_root)
    make_photos(tmp_path / 'data' / 'my_photos')
    rng = np.random.default_rng(0)
    for img_id in read_id_list(toy_root / 'ImageSets' / 'Segmentation' / 'test.txt'):
        height, width = read_image(toy_root / 'JPEGImages' / f'{img_id}.jpg').shape[:2]
        write_cam(
            tmp_path / 'work_dirs/demo/cam_test/cams' / f'{img_id}.npz',
            [1, 4],
            rng.random((2, height, width), np.float32),
        )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv('LOCAL_RANK', '0')
    config = Config.fromfile(ROOT / 'configs' / 'mctformer_plus_toy.py')
    make_checkpoint(
        config, tmp_path / f'work_dirs/demo/classifier/epoch_{config.train_cfg.max_epochs}.pth'
    )
    return tmp_path


def make_photos(root):
    """The folder that the guide on own photos describes, with its table of tags."""
    (root / 'JPEGImages').mkdir(parents=True)
    table = next(
        block.text
        for block in read_blocks(ROOT / 'docs/user_guides/own_data.md')
        if block.text.startswith('image,tags')
    )
    (root / 'image_tags.csv').write_text(table)
    (root / 'classes.txt').write_text('background\ndog\nperson\ntraffic light\n')
    rng = np.random.default_rng(0)
    for line in table.splitlines()[1:]:
        name = line.partition(',')[0].removesuffix('.jpg')
        Image.fromarray(rng.integers(0, 256, (40, 48, 3), np.uint8)).save(
            root / 'JPEGImages' / f'{name}.jpg'
        )


def make_checkpoint(config, path):
    """Random weights under the name of trained ones."""
    config = load_config(config)
    model = MODELS.build(config.model)
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(
        {
            'state_dict': model.state_dict(),
            'meta': {
                'dataset_meta': {'classes': config.get('classes')},
                'cfg': config.pretty_text,
            },
        },
        path,
    )


@cache
def load_tool(path):
    spec = importlib.util.spec_from_file_location(f'documented_{path.stem}', path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def parse(tool, words, monkeypatch, capsys):
    """Arguments of a tool as its own parser reads them."""
    with monkeypatch.context() as patch:
        patch.setattr(sys, 'argv', [tool.__file__, *words])
        try:
            return tool.parse_args()
        except SystemExit:
            pytest.fail(f'{Path(tool.__file__).name} {" ".join(words)}: {capsys.readouterr().err}')


def check_arguments(args):
    """The config exists, has the entries that are overridden, and trains as long as the name of the
    checkpoint says.
    """
    if not hasattr(args, 'config') or args.config is None:
        return
    assert Path(args.config).is_file(), f'{args.config} does not exist'
    config = read_config(Path(args.config).absolute())
    if 'stages' in config:
        return
    for key in getattr(args, 'cfg_options', None) or {}:
        entry = config
        for part in key.split('.')[:-1]:
            if part == 'init_cfg':  # most configs start from random weights
                break
            entry = entry[int(part) if isinstance(entry, (list, tuple)) else part]
        assert '.' in key or key in config, f'{key} is not in {args.config}'
    saved = re.search(r'(epoch|iter)_(\d+)\.pth', str(getattr(args, 'checkpoint', None) or ''))
    if saved:
        last = config.train_cfg['max_epochs' if saved[1] == 'epoch' else 'max_iters']
        assert int(saved[2]) == last, f'{args.checkpoint}: training ends at {last}'


@cache
def read_config(path):
    """Reading ``mmseg::`` bases takes a second each time."""
    return Config.fromfile(path, import_custom_modules=False)


def make_small(config, place):
    """The same config, trained for a moment, without workers and downloads."""
    small = copy.deepcopy(read_config(Path(config).absolute()))
    changes = {}
    for name in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
        if small.get(name) is not None:
            changes[name] = dict(
                batch_size=2 if name.startswith('train') else 1,
                num_workers=0,
                persistent_workers=False,
            )
    if small.train_cfg.get('max_iters'):
        changes.update(
            train_cfg=dict(max_iters=2, val_interval=2),
            default_hooks=dict(checkpoint=dict(interval=2)),
        )
    else:
        changes.update(
            train_cfg=dict(max_epochs=1, val_interval=1),
            optim_wrapper=dict(
                _delete_=True, type='mmengine.OptimWrapper', optimizer=dict(type='AdamW', lr=1e-3)
            ),
        )
    init_cfg = small.model.backbone.get('init_cfg') or {}
    if init_cfg.get('type') == 'mmwsss.PackagedWeights':
        kaiming = dict(_delete_=True, type='Kaiming', layer='Conv2d')
        changes['model'] = dict(backbone=dict(init_cfg=kaiming))
    elif init_cfg:
        changes['model'] = dict(
            backbone=dict(
                _delete_=True,
                type='mmwsss.TokenViT',
                img_size=32,
                patch_size=8,
                arch=dict(embed_dims=16, num_layers=2, num_heads=2, feedforward_channels=32),
            )
        )
        changes['train_dataloader']['dataset'] = dict(
            pipeline=[
                dict(type='mmwsss.LoadImage'),
                dict(type='mmpretrain.RandomResizedCrop', scale=32),
                dict(type='mmwsss.PackTagInputs'),
            ]
        )
    small.merge_from_dict(changes)
    path = place / 'small' / Path(config).name
    path.parent.mkdir(exist_ok=True)
    small.dump(path)
    return path


def shrink(args, tool, place):
    """Change parsed arguments so that a command takes a moment."""
    if hasattr(args, 'workers'):
        args.workers = 0
    if tool.endswith('toy_shapes.py'):
        settings = read_json(place / args.out / 'toy_shapes.json')
        args.train, args.val, args.test, args.size = (
            settings['train'],
            settings['val'],
            settings['test'],
            settings['size'],
        )
    elif tool in ('train.py', 'test.py', 'generate_cams.py', 'demo.py'):
        args.config = str(make_small(args.config, place))
        checkpoint = getattr(args, 'checkpoint', None)
        if checkpoint and not Path(checkpoint).is_file():
            options = {
                key: value
                for key, value in (args.cfg_options or {}).items()
                if key.startswith('model.')
            }
            config = Config.fromfile(args.config)
            config.merge_from_dict(options)
            make_checkpoint(config, Path(checkpoint))
    return args


def run_tool(path, words, run, place, monkeypatch, capsys):
    assert (ROOT / path).is_file(), f'{path} does not exist'
    tool = load_tool(ROOT / path)
    args = parse(tool, words, monkeypatch, capsys)
    check_arguments(args)
    if run:
        shrink(args, Path(path).name, place)
        monkeypatch.setattr(tool, 'parse_args', lambda argv=None: args)
        code = run_main(tool.main)
        assert code == 0, f'{path} {" ".join(words)}: {capsys.readouterr().err}'


def run_command(words, line, run, place, monkeypatch, capsys):
    """Run or check one simple command."""
    while words and re.fullmatch(r'[A-Z_]+=.*', words[0]):
        words = words[1:]
    program = words[0]
    if program == 'srun':
        words = words[words.index('python') :]
        program = 'python'
    if program == 'torchrun':
        words = words[
            next(index for index, word in enumerate(words) if index and not word.startswith('--'))
            - 1 :
        ]
        program = 'python'
    if program == 'python' and words[1] == '-c':
        compile(words[2], line, 'exec')
    elif program == 'python':
        run_tool(words[1], words[2:], run, place, monkeypatch, capsys)
    elif program == 'mmwsss':
        run_tool(f'tools/{COMMANDS[words[1]]}', words[2:], run, place, monkeypatch, capsys)
    elif program.startswith('tools/'):
        assert os.access(ROOT / program, os.X_OK), f'{program} is not executable'
        places = LAUNCHERS[Path(program).name]
        given = dict(zip(places, words[1:]))
        int(given.get('number', 1))
        options = [given[name] for name in places if name in ('config', 'checkpoint')] + words[
            1 + len(places) :
        ]
        run_tool(
            f'tools/{"train" if "train" in program else "test"}.py',
            options,
            False,
            place,
            monkeypatch,
            capsys,
        )
    elif program == 'make':
        result = subprocess.run(
            ['make', '-n', *words[1:]], cwd=ROOT, capture_output=True, text=True
        )
        assert result.returncode == 0, result.stderr
    elif program == '.venv/bin/python' and words[1:3] == ['-m', 'pytest']:
        assert all((ROOT / word).exists() for word in words[3:] if word.startswith('tests'))
    elif program in RUN_IN_SHELL and run:
        subprocess.run(['bash', '-ec', line], cwd=place, check=True)
    else:
        assert program in RUN_IN_SHELL + KNOWN_IN_SHELL, (
            f'{line}: a command that this test does not know'
        )
        if '-c' in words:
            assert (ROOT / words[words.index('-c') + 1]).is_file()


def run_shell(text, run, place, monkeypatch, capsys):
    subprocess.run(['bash', '-n', '-c', text], check=True)
    for line in text.replace('\\\n', ' ').splitlines():
        words = shlex.split(line, comments=True)
        while words:
            end = words.index('&&') if '&&' in words else len(words)
            with monkeypatch.context() as patch:
                run_command(words[:end], line, run, place, patch, capsys)
            words = words[end + 1 :]


def run_python(block, document, names):
    code = compile('\n' * block.line + block.text, name_of(document), 'exec')
    if block.how != 'run':
        return
    before = set(MODELS.module_dict)
    try:
        exec(code, names)
    finally:
        for name in set(MODELS.module_dict) - before:
            MODELS.module_dict.pop(name)


@pytest.mark.parametrize(
    'document',
    [
        document
        for document in DOCUMENTS
        if any(block.language in ('bash', 'python') for block in read_blocks(document))
    ],
    ids=name_of,
)
def test_blocks(document, place, monkeypatch, capsys):
    names = {'__name__': 'documentation'}  # blocks of a page go on from each other
    for block in read_blocks(document):
        if block.how == 'save':
            (place / block.file).parent.mkdir(parents=True, exist_ok=True)
            (place / block.file).write_text(block.text)
        elif block.language == 'bash':
            run_shell(block.text, block.how == 'run', place, monkeypatch, capsys)
        elif block.language == 'python':
            run_python(block, document, names)


# the messages -------------------------------------------------------------------------------------

MESSAGES = {
    'expected the header "image,tags"': {'image_tags.csv': 'image;tags\na;dog\n'},
    '(a comma or an unpaired quote)': {'image_tags.csv': 'image,tags\na,dog,cat\n'},
    'which is not a known class; did you mean': {'image_tags.csv': 'image,tags\na,dgo\n'},
    'is listed twice': {'image_tags.csv': 'image,tags\na,dog\na,cat\n'},
    'are the same image id': {'image_tags.csv': 'image,tags\na.jpg,dog\na.png,cat\n'},
    'image files not found': {'image_tags.csv': 'image,tags\na,dog\nb,cat\n'},
    'have no row': {'list.txt': 'a\nb\n'},
    "the first class must be 'background'": {'classes.txt': 'dog\ncat\n'},
    'not a UTF-8 text file': {'image_tags.csv': 'image,tags\na,h\xe4us\n'},
    'unreadable image': {'JPEGImages/a.jpg': 'no image'},
}


@pytest.mark.parametrize('message', MESSAGES)
def test_messages_are_those_of_the_guide(message, tmp_path):
    guide = (ROOT / 'docs/user_guides/own_data.md').read_text()
    assert f'| `{message}` |' in guide
    (tmp_path / 'JPEGImages').mkdir()
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(tmp_path / 'JPEGImages' / 'a.jpg')
    files = {
        'image_tags.csv': 'image,tags\na,dog\n',
        'classes.txt': 'background\ndog\ncat\n',
        **MESSAGES[message],
    }
    for name, content in files.items():
        (tmp_path / name).write_bytes(content.encode('latin-1'))
    with pytest.raises((ValueError, FileNotFoundError), match=re.escape(message)):
        ImageTagDataset(
            data_root=str(tmp_path),
            classes='classes.txt',
            ann_file='list.txt' if 'list.txt' in files else '',
            pipeline=[dict(type='mmwsss.LoadImage')],
        )[0]
