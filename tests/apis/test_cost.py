"""Memory and time of maps, estimated before the start."""

import numpy as np
import pytest
import torch
from PIL import Image

from mmwsss.apis.cost import Views, describe, estimate, matmul_rate, photo_sizes, views_of
from tests.mctformer_golden import CAM_ARCH, build

MEASURED = {  # (H,W): GiB, seconds; MCTformer+ with DeiT-S, three scales with flips, refined
    (480, 640): (0.3, 11),
    (768, 1024): (0.95, 57),
    (1200, 1600): (4.0, 309),
}
RATE = 1e11  # operations per second of that machine
VIEWS = Views((1.0, 0.75, 1.25), True, True)


class Model(torch.nn.Module):
    """What the estimate reads of a DeiT-S."""

    def __init__(self):
        super().__init__()
        self.backbone = torch.nn.Linear(1, 1)
        self.backbone.embed_dims, self.backbone.num_layers = 384, 12
        self.backbone.patch_size = 16


@pytest.mark.parametrize('size', MEASURED)
def test_the_estimate_is_what_was_measured(size):
    cost = estimate(Model(), [size], VIEWS, RATE)
    memory, seconds = MEASURED[size]
    assert cost.bytes / 2**30 == pytest.approx(memory, rel=0.2)
    assert cost.seconds == pytest.approx(seconds, rel=0.1)


def test_a_phone_photo_is_refused_with_the_option_where_memory_is_short(monkeypatch):
    sizes = {'small.jpg': (480, 640), 'phone.jpg': (3024, 4032)}
    monkeypatch.setattr('mmwsss.apis.cost.matmul_rate', lambda _: RATE)
    monkeypatch.setattr('mmwsss.apis.cost.available_memory', lambda _: 16 * 2**30)
    with pytest.raises(ValueError, match=r'phone.jpg .4032x3024.: about 1\d\d.* give --max-side'):
        describe(Model(), sizes, VIEWS)
    monkeypatch.setattr('mmwsss.apis.cost.available_memory', lambda _: float('inf'))
    line = describe(Model(), sizes, VIEWS)
    assert line.startswith(
        'estimate: 2 photos, the largest phone.jpg (4032x3024): about 125.2 GiB of memory and '
    )
    assert '--max-side 1024 needs about 0.9 GiB and' in line
    assert '--max-side' not in describe(Model(), {'small.jpg': (480, 640)}, VIEWS)


def test_views_and_sizes(tmp_path):
    model = build(3, CAM_ARCH)
    views = views_of(model, [dict(type='mmwsss.MultiScaleViews', scales=(1.0, 0.5))])
    assert views == Views((1.0, 0.5), model.test_cfg['flip'], model.test_cfg['refine'])
    assert views_of(model, []).scales == (1.0,)
    Image.fromarray(np.zeros((30, 40, 3), np.uint8)).save(tmp_path / 'a.png')
    (tmp_path / 'b.png').write_bytes(b'x')

    class Photos:
        max_side = None

        def __len__(self):
            return 2

        def get_data_info(self, index):
            return dict(img_path=str(tmp_path / f'{"ab"[index]}.png'))

    photos = Photos()
    assert photo_sizes(photos) == {str(tmp_path / 'a.png'): (30, 40)}
    photos.max_side = 20
    assert photo_sizes(photos) == {str(tmp_path / 'a.png'): (15, 20)}
    assert matmul_rate(torch.device('cpu'), 64) > 1e6


def test_networks_without_tokens_have_no_estimate():
    model = Model()
    del model.backbone.patch_size
    assert estimate(model, [(480, 640)], VIEWS, RATE) is None
    assert describe(model, {'a.jpg': (480, 640)}, VIEWS) == ''
