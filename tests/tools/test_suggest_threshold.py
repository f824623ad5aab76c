"""The tool that suggests a background threshold."""

import numpy as np
import pytest
from PIL import Image

from mmwsss.utils.io import read_json, write_cam
from tests.tools.program import one_line, run_tool


@pytest.fixture
def folders(tmp_path):
    """Maps and photos of a bright square."""
    (tmp_path / 'photos').mkdir()
    for number in range(2):
        image = np.full((32, 40, 3), 20, np.uint8)
        image[8:24, 10:30] = 220
        cam = np.full((1, 32, 40), 0.2, np.float32)
        cam[:, 8:24, 10:30] = 0.9
        Image.fromarray(image).save(tmp_path / 'photos' / f'{number}.jpg')
        write_cam(tmp_path / 'cams' / f'{number}.npz', [0], cam)
    return ['--cams', tmp_path / 'cams', '--images', tmp_path / 'photos']


def test_threshold(folders, tmp_path):
    result = run_tool('suggest_threshold.py', *folders, '--json', tmp_path / 'a.json')
    assert result.code == 0, result
    content = read_json(tmp_path / 'a.json')
    assert 0.2 <= content['threshold'] < 0.9 and content['area'] == pytest.approx(0.25, abs=0.02)
    assert f'background threshold {content["threshold"]:.2f} (contrast' in result.out
    assert len(content['curves']['area']) == len(content['curves']['thresholds'])
    (tmp_path / 'list.txt').write_text('1\n')
    result = run_tool(
        'suggest_threshold.py', *folders, '--area', 0.25, '--list', tmp_path / 'list.txt'
    )
    assert '(area; contrast' in result.out


def test_bad_input(folders, tmp_path):
    assert one_line(run_tool('suggest_threshold.py', *folders, '--area', 3), 'between 0 and 1')
    assert one_line(run_tool('suggest_threshold.py', *folders, '--rule', 'area'), 'rule area needs')
    assert run_tool('suggest_threshold.py', *folders, '--rule', 'x').code == 2
    folders[1] = tmp_path / 'photos'
    assert one_line(run_tool('suggest_threshold.py', *folders), 'generate_cams.py')
