"""A config that inherits another and sets ``data_root`` or ``num_classes`` means what it says."""

from pathlib import Path

import pytest
from mmengine.config import Config

from mmwsss.apis.config import load_config, read_config
from mmwsss.apis.inherited_settings import HEADS, move_data_roots, settle_inherited

CONFIGS = Path(__file__).parents[2] / 'configs'
FLAT = sorted(CONFIGS.glob('*.py'))


def roots(node):
    """Data roots of all data sets."""
    if isinstance(node, dict):
        own = [node['data_root']] if 'type' in node and 'data_root' in node else []
        return own + [root for value in node.values() for root in roots(value)]
    if isinstance(node, (list, tuple)):
        return [root for value in node for root in roots(value)]
    return []


def test_every_flat_config(tmp_path):
    """The child's settings arrive; a config without a child stays as it is written."""
    for path in FLAT:
        plain = Config.fromfile(path, import_custom_modules=False)
        same = plain.to_dict()
        settle_inherited(plain, path)
        assert plain.to_dict() == same, path.name
        child = tmp_path / path.name
        child.write_text(f'_base_ = [{str(path)!r}]\ndata_root = "/mine"\nnum_classes = 3\n')
        # reading a config with many bases takes a second: the merge is done by hand
        config = Config(dict(same, data_root='/mine', num_classes=3))
        settle_inherited(config, child)
        assert roots(same) and set(roots(config._cfg_dict)) == {'/mine'}, path.name
        model = config.model
        heads = [head for name in HEADS if (head := model.get(name))]
        if 'num_classes' in model:
            assert model.num_classes == 3, path.name
        elif 'type' in model and model.type.endswith('EncoderDecoder'):
            assert {head.num_classes for head in heads} == {4}, path.name


def write(folder, name, *lines):
    (folder / name).write_text('\n'.join(lines))
    return folder / name


@pytest.fixture
def base(tmp_path):
    write(
        tmp_path,
        'base.py',
        'data_root = "data/old"',
        'num_classes = 20',
        'model = dict(type="mmwsss.X", num_classes=num_classes)',
        'train_dataloader = dict(dataset=dict(type="a", data_root=data_root))',
        'test_dataloader = dict(dataset=dict(type="a", data_root="elsewhere"))',
    )
    return tmp_path


def test_children_and_grandchildren(base):
    child = write(base, 'child.py', '_base_ = "base.py"', 'data_root = "mine"', 'num_classes = 3')
    grandchild = write(base, 'grandchild.py', '_base_ = ["child.py"]', 'work_dir = "w"')
    for path in (child, grandchild):
        config = read_config(path)
        assert config.train_dataloader.dataset.data_root == 'mine'
        assert config.test_dataloader.dataset.data_root == 'elsewhere'
        assert config.model.num_classes == 3
        moved = load_config(path, cfg_options=dict(data_root='other'))
        assert moved.train_dataloader.dataset.data_root == 'other'


def test_what_is_written_out_stays(base):
    path = write(
        base,
        'child.py',
        '_base_ = "base.py"',
        'num_classes = 3',
        'model = dict(num_classes=7, decode_head=dict(num_classes=9), auxiliary_head=dict())',
    )
    config = read_config(path)
    assert config.model.num_classes == 7 and config.model.decode_head.num_classes == 9
    write(base, 'own.py', '_base_ = "child.py"', 'num_classes = 4')
    config = read_config(base / 'own.py')
    assert config.model.num_classes == 4 and config.model.decode_head.num_classes == 5
    unchanged = read_config(base / 'base.py')
    assert unchanged.model.num_classes == 20


def test_names_of_packages(tmp_path):
    path = write(
        tmp_path, 'mine.py', '_base_ = ["mmwsss::mctformer_plus_tags.py"]', 'data_root = "mine"'
    )
    config = read_config(path)
    assert set(roots(config._cfg_dict)) == {'mine'}


def test_number_of_moved_data_sets():
    node = [dict(type='a', data_root='x'), dict(data_root='x'), dict(type='b', data_root='y')]
    assert move_data_roots(node, {'x'}, 'z') == 1 and node[0]['data_root'] == 'z'
