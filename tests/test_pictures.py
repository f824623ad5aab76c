"""The pictures of the README are drawn from a demo."""

import sys

import numpy as np
import pytest
from PIL import Image

from mmwsss.utils.io import read_image, write_cam, write_json, write_mask
from tests.tools.program import ROOT


@pytest.fixture
def demo(toy_root, tmp_path):
    """What a demo leaves of the two test images: maps, masks, curve, and how its pseudo masks were
    made.
    """
    work_dir = tmp_path / 'demo'
    curve = dict(thresholds=[0.0, 0.5], mIoU=[10.0, 20.0], FP=[50.0, 40.0], FN=[40.0, 40.0])
    write_json(work_dir / 'cam_test' / 'curves.json', {'cam': curve})
    write_json(work_dir / 'classifier' / 'metrics.json', {'cam/best_threshold': 0.5})
    write_json(
        work_dir / 'masks' / 'stage.json',
        {
            'settings': dict(
                tool='refine_cams.py',
                args=[
                    '--cams',
                    'x',
                    '--images',
                    'y',
                    '--out',
                    'z',
                    '--method',
                    'threshold',
                    '--background',
                    '{classifier:cam/best_threshold}',
                    '--uncertain',
                    '0.2',
                    '--workers',
                    '0',
                    '--classes',
                    'elsewhere/classes.txt',
                ],
            )
        },
    )
    for name in ('test_00000', 'test_00001'):
        height, width = read_image(toy_root / 'JPEGImages' / f'{name}.jpg').shape[:2]
        ramp = np.broadcast_to(np.linspace(0, 1, width, dtype=np.float32), (height, width))
        write_cam(
            work_dir / 'cam_test' / 'cams' / f'{name}.npz', [1, 4], np.stack((ramp, 1 - ramp))
        )
        write_mask(
            work_dir / 'segmentation_test' / 'masks' / f'{name}.png', np.full((height, width), 3)
        )
    return work_dir


def test_pictures_of_a_demo(demo, toy_root, tmp_path, monkeypatch):
    """Also where pseudo masks are uncertain."""
    monkeypatch.syspath_prepend(str(ROOT / 'docs'))
    import make_pictures

    out = tmp_path / 'resources'
    arguments = ['--demo', str(demo), '--data', str(toy_root), '--out', str(out)]
    make_pictures.main([*arguments, '--diagram', 'test_00000', '--samples', 'test_00001'])
    assert {path.name for path in out.iterdir()} == {
        'pipeline.svg',
        'toy_samples.png',
        'threshold_curve.png',
    }
    picture = Image.open(out / 'toy_samples.png')
    # image, ground truth, two maps, mask, segmentation
    assert picture.width > 5 * 176 and picture.height < 2 * 200
    svg = (out / 'pipeline.svg').read_text(encoding='utf-8')
    assert svg.count('<image') >= 4 and 'pseudo mask' in svg
    sys.modules.pop('make_pictures')
