"""The files that the guides tell the reader to save define components that work."""

import sys

import pytest
import torch
from mmengine.dataset import pseudo_collate

from mmwsss.apis import load_config
from mmwsss.apis.refine import build_refiner
from mmwsss.registry import DATASETS, MODELS, REFINERS
from tests.test_readme import ROOT, read_blocks

GUIDES = {
    'CONTRIBUTING.md': ('my_parts', 'agreeing_toy.py', 'PatchNorm'),
    'docs/user_guides/components.md': ('my_components', 'my_network_toy.py', 'TokenSimilarity'),
}


@pytest.fixture(params=GUIDES)
def guide(request, tmp_path, monkeypatch):
    """Config and CAM method of a guide, saved where it says; forgotten afterwards."""
    module, config, method = GUIDES[request.param]
    (tmp_path / 'configs').symlink_to(ROOT / 'configs')
    for block in read_blocks(ROOT / request.param):
        if block.how == 'save':
            (tmp_path / block.file).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / block.file).write_text(block.text)
    monkeypatch.setattr(sys, 'path', [*sys.path])
    yield tmp_path / 'work_dirs' / 'mine' / config, method
    sys.modules.pop(module)
    for registry in (DATASETS, MODELS, REFINERS):
        for name, component in list(registry.module_dict.items()):
            if component.__module__ == module:
                del registry.module_dict[name]


def test_components(guide, toy_root):
    """One step of the network on items of the data set; the CAM method and the refiner."""
    path, method = guide
    config = load_config(path, cfg_options=dict(data_root=str(toy_root)))
    dataset = DATASETS.build(config.train_dataloader.dataset)
    model = MODELS.build(config.model)
    data = model.data_preprocessor(pseudo_collate([dataset[0], dataset[1]]), True)
    losses = model(**data, mode='loss')
    assert losses['loss_cls'].isfinite() and losses['loss_cls'].requires_grad

    classifier = load_config(ROOT / 'configs' / 'mctformer_plus_toy.py')
    network = MODELS.build(classifier.model).eval()
    cam = MODELS.build(dict(type=f'mmwsss.{method}'))
    with torch.no_grad():
        maps = cam.maps(network, network.backbone(torch.rand(2, 3, 64, 48)), [1, 5])
    assert maps.shape == (2, 2, 48) and (maps >= 0).all()

    refiner = build_refiner(dict(config.refiner))
    images = [torch.zeros(3, 20, 30, dtype=torch.uint8)] * 2
    cams, tags = [torch.rand(2, 20, 30), torch.zeros(0, 20, 30)], [torch.tensor([1, 4])]
    scores = refiner.refine(images, cams, [*tags, tags[0][:0]], [(20, 30)] * 2)
    assert [tuple(entry.shape) for entry in scores] == [(3, 20, 30), (1, 20, 30)]
