"""The tool that writes the tags of VOC."""
import runpy
from pathlib import Path

import pytest

from mmwsss.datasets import VOC12TagDataset
from mmwsss.utils.cli import run_main
from mmwsss.utils.io import read_tags
from tests.datasets.voc_tree import make_voc_tree

TOOL = Path(__file__).resolve().parents[3] / 'tools' / 'dataset_converters' / 'voc_tags.py'


@pytest.fixture
def root(tmp_path):
    return make_voc_tree(tmp_path / 'VOC2012')


def run(*args):
    """Exit code of the tool."""
    main = runpy.run_path(str(TOOL))['main']
    return run_main(lambda: main([str(arg) for arg in args]))


def infos(data):
    return [data.get_data_info(index) for index in range(len(data))]


def test_it_writes_what_the_data_set_reads(root, capsys):
    expected = infos(VOC12TagDataset(data_root=str(root)))
    assert run('--voc-root', root, '--workers', 2) == 0
    assert read_tags(root / 'image_tags.csv') == {
        '2007_000002': ['tvmonitor'], '2007_000001': ['dog', 'person'], '2007_000003': ['aeroplane', 'sheep']}
    output = capsys.readouterr().out
    rows = {line.split('|')[1].strip(): line.split('|')[2:4] for line in output.splitlines() if line.startswith('|')}
    assert [cell.strip() for cell in rows['dog']] == ['1', '0'] and [cell.strip() for cell in rows['images']] == ['2', '1']
    assert 'train_aug has 2 images, the official list 10582' in output
    data = VOC12TagDataset(data_root=str(root))
    assert data.source == 'file' and infos(data) == expected


def test_masks(root, tmp_path):
    assert run('--voc-root', root, '--split', 'val', '--source', 'mask', '--out', tmp_path / 'tags.csv', '--workers', 1) == 0
    assert read_tags(tmp_path / 'tags.csv') == {'2007_000003': ['cat']}


def test_bad_input_is_one_line(root, tmp_path, capsys):
    assert run('--voc-root', tmp_path / 'none') == 1
    assert 'train_aug.txt: image list not found. VOC 2012 is expected' in capsys.readouterr().err
    (root / 'Annotations' / '2007_000003.xml').unlink()
    assert run('--voc-root', root) == 1
    assert '1 of 3 annotation files not found (suffix .xml): 2007_000003' in capsys.readouterr().err
    assert not (root / 'image_tags.csv').exists()
