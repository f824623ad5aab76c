"""What stands behind the page; the page itself where Gradio is installed."""

import importlib.util
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from mmwsss.utils.io import read_mask
from tests.mctformer_golden import CAM_ARCH, build, inference

APP = Path(__file__).parents[2] / 'demo' / 'gradio_app.py'


@pytest.fixture(scope='module')
def app():
    spec = importlib.util.spec_from_file_location('gradio_app', APP)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def viewer(app, tmp_path):
    model = inference(build(3, CAM_ARCH), names=('cat', 'traffic light', 'dog'))
    return app.Viewer(model, folder=tmp_path)


@pytest.fixture
def photo():
    pixels = np.random.default_rng(0).integers(0, 256, (40, 56, 3), np.uint8)
    return Image.fromarray(pixels)


def test_ticked_tags_and_the_slider(viewer, photo, monkeypatch):
    assert viewer.tags == ('cat', 'traffic light', 'dog')
    found = viewer.look(photo, ['dog'])
    assert found.names == ['dog']
    monkeypatch.setattr(viewer.model, 'test_step', None)  # the slider needs no network
    shares = []
    for threshold in (0.1, 0.6):
        overlay, text, file = viewer.show(found, threshold)
        mask = read_mask(file, 4, (40, 56))
        assert overlay.size == (56, 40) and text.startswith('dog ') and 'not background' in text
        assert {*np.unique(mask)} <= {0, 3}
        shares.append((mask > 0).mean())
    assert shares[0] > shares[1]


def test_nothing_ticked_and_no_photo(viewer, photo):
    assert viewer.look(photo, []).names
    assert viewer.look(None, ['cat']) is None
    assert viewer.show(None, 0.4) == (None, 'Upload a photo.', None)


def test_without_gradio_and_without_maps(app, viewer, monkeypatch):
    monkeypatch.setitem(sys.modules, 'gradio', None)
    with pytest.raises(ValueError, match='pip install gradio'):
        app.build_page(viewer)
    monkeypatch.setitem(sys.modules, 'gradio', SimpleNamespace(__version__='3.18.0'))
    with pytest.raises(ValueError, match='needs Gradio 6, found 3.18.0: pip install --upgrade'):
        app.build_page(viewer)
    with pytest.raises(ValueError, match='Identity computes no maps'):
        app.Viewer(torch.nn.Identity())


def test_arguments(app):
    assert app.parse_args(['a.pth']).host == '127.0.0.1'
    with pytest.raises(SystemExit):
        app.parse_args(['a.pth', '--threshold', '40'])


def test_page(app, viewer):
    pytest.importorskip('gradio', minversion='6')
    page = app.build_page(viewer)
    labels = {part.label for part in page.blocks.values() if getattr(part, 'label', None)}
    assert {'Photo', 'Background threshold', 'Mask', 'Download'} <= labels
    (slider,) = (part for part in page.blocks.values() if part.__class__.__name__ == 'Slider')
    assert slider.value == 0.4
