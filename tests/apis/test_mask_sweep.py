"""One pass over all settings of a refiner, against one run of the refiner for each of them."""

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional as F

from mmwsss.apis.affinity_labels import AffinityLabelMaker
from mmwsss.apis.mask_sweep import (
    ImageCounter,
    MaskSweep,
    SweepResult,
    format_value,
    parse_values,
)
from mmwsss.functional.confusion import class_areas, confusion_matrix
from mmwsss.registry import MODELS
from mmwsss.utils.io import read_image, write_cam, write_mask

CLASSES = 5
KEYS = (1, 3)
SIZE = (37, 46)


@pytest.fixture(scope='module')
def sample():
    """Image (H,W,3) RGB, maps (2,H,W) and labels of two classes with a border that is ignored."""
    generator = torch.Generator().manual_seed(0)

    def smooth(channels):
        noise = torch.rand(1, channels, 6, 7, generator=generator)
        return F.interpolate(noise, SIZE, mode='bilinear', align_corners=False)[0]

    image = (smooth(3) * 255).permute(1, 2, 0).to(torch.uint8).numpy()
    gt = torch.tensor([0, 2, 4])[smooth(3).argmax(0)]
    gt[0] = 255
    return np.ascontiguousarray(image), smooth(2), gt


def network(method):
    torch.manual_seed(0)
    options = dict(
        psa=dict(type='mmwsss.AffinityNet', out_indices=(2, 3, 4), embed_channels=(4, 6, 8)),
        irn=dict(type='mmwsss.IRNet', edge_channels=8, min_test_size=64),
    )[method]
    model = MODELS.build(
        dict(
            options,
            data_preprocessor=dict(type='mmwsss.ViewsDataPreprocessor'),
            backbone=dict(
                type='mmwsss.PyramidResNet',
                depth=18,
                base_channels=4,
                stem_channels=4,
                frozen_stages=-1,
            ),
        )
    )
    model.init_weights()
    return model.eval()


def refined(method, setting, model, image, cams):
    """Labels by the refiner itself."""
    from mmwsss.registry import REFINERS

    options = {name: value for name, value in setting.items() if value is not None}
    if model is not None:
        options.update(network=model, then_crf='preset' in options)
    refiner = REFINERS.build(dict(type=method, **options))
    (label,) = refiner.labels(
        [torch.from_numpy(image).permute(2, 0, 1)], [cams], [torch.tensor(KEYS)], [SIZE]
    )
    return label


@pytest.mark.parametrize(
    'method, words',
    [
        ('threshold', ['background=0.3:0.7:0.1,alpha:2,alpha:5']),
        ('crf', ['preset=psa,irn', 'background=0.4,0.6,alpha:3']),
        ('psa', ['background=0.35:0.6:0.05,alpha:2', 'beta=1,4', 'log2_steps=0,2,3']),
        ('psa', ['background=0.4,0.5,alpha:2', 'log2_steps=1,2', 'preset=psa']),
        ('irn', ['background=0.3:0.7:0.1', 'beta=2,6', 'log2_steps=1,3']),
    ],
)
def test_one_pass_equals_one_run_per_setting(method, words, sample):
    image, cams, gt = sample
    model = network(method) if method in ('psa', 'irn') else None
    sweep = MaskSweep(method, parse_values(words, method), CLASSES, model)
    counts = sweep.count(image, cams, KEYS, gt)
    assert len(counts) == len(sweep.settings) >= 6
    distinct = set()
    for setting, found in zip(sweep.settings, counts, strict=True):
        label = refined(method, setting, model, image, cams)
        expected = torch.stack(list(class_areas(confusion_matrix(label, gt, CLASSES)[:, :-1])))
        assert (found - expected).abs().max() <= 1, setting  # a pixel at a tie
        distinct.add(tuple(found.flatten().tolist()))
    assert len(distinct) > 2


def test_labels_of_the_affinity_network(sample, tmp_path):
    """Both exponents as make_affinity_labels.py uses them; uncertain pixels are missed."""
    image, cams, gt = sample
    values = parse_values(['low_alpha=1,2', 'high_alpha=6,12'], 'labels')
    sweep = MaskSweep('labels', values, CLASSES)
    counts = sweep.count(image, cams, KEYS, gt)
    assert sweep.settings[1] == dict(preset='psa', low_alpha=1, high_alpha=12)
    maker = AffinityLabelMaker(tmp_path, 'psa', low_alpha=1, high_alpha=12)
    la, ha = (scores.argmax(0) for scores in maker.crf_maps(image[..., ::-1], cams))
    label = torch.tensor([0, 2, 4])[la]
    label[la == 0], label[ha == 0] = 255, 0
    known = (label != 255) & (gt != 255)
    hit = [int(((label == c) & (gt == c) & known).sum()) for c in range(CLASSES)]
    assert counts[1, 0].tolist() == hit
    assert counts[1, 2].tolist() == [int((gt == c).sum()) for c in range(CLASSES)]
    assert int(counts[1, 1].sum()) == int(known.sum()) < int(counts[1, 2].sum())
    with pytest.raises(ValueError, match='every low_alpha must be below every high_alpha'):
        MaskSweep('labels', parse_values(['low_alpha=1,12'], 'labels'), CLASSES)


def test_an_image_without_classes(sample):
    image, _, gt = sample
    sweep = MaskSweep('threshold', parse_values(['background=0.2,0.4'], 'threshold'), CLASSES)
    counts = sweep.count(image, torch.zeros(0, *SIZE), (), gt)
    assert counts[:, 1].tolist() == [[int((gt != 255).sum()), 0, 0, 0, 0]] * 2


def test_values():
    values = parse_values(['beta=16,4', 'background=alpha:4,0.5,0.2:0.4:0.1'], 'psa')
    assert values == dict(
        preset=[None], beta=[4, 16], log2_steps=[6], background=[0.2, 0.3, 0.5, ('alpha', 4.0)]
    )
    assert format_value(('alpha', 4.0)) == 'alpha:4'
    assert parse_values(['log2_steps=4:7:1'], 'irn')['log2_steps'] == [4, 5, 6]
    for word, message in (
        ('gamma=1', "psa has no option 'gamma'"),
        ('beta=1:2', "'1:2' is neither a value nor START:STOP:STEP"),
        ('beta=1:2:0', 'neither a value nor START'),
        ('beta=', "'' is neither"),
        ('beta=x', "'x' is not a valid value"),
        ('log2_steps=1.5', 'a whole number'),
    ):
        with pytest.raises(ValueError, match=message):
            parse_values([word], 'psa')
    with pytest.raises(ValueError, match='constant background only'):
        MaskSweep('irn', parse_values(['background=alpha:2'], 'irn'), CLASSES)


def test_the_best_setting():
    areas = torch.tensor([[[5, 1], [6, 4], [9, 1]], [[8, 1], [8, 2], [9, 1]], [[8, 1]] * 3])
    areas[2, 2] = torch.tensor([9, 1])
    result = SweepResult([dict(beta=value) for value in (1, 2, 3)], areas)
    assert result.best == 2 and result.miou[2] == pytest.approx(100 * (8 / 9 + 1) / 2)
    assert result.at_the_edge(dict(beta=[1, 2, 3])) == ['beta']
    assert result.at_the_edge(dict(beta=[2, 3])) == []


def test_counts_of_files(sample, tmp_path):
    image, cams, gt = sample
    paths = tmp_path / 'a.npz', tmp_path / 'a.png', tmp_path / 'gt.png'
    write_cam(paths[0], KEYS[::-1], cams.flip(0).numpy().astype(np.float16), SIZE)
    Image.fromarray(image).save(paths[1])
    write_mask(paths[2], gt.numpy().astype(np.uint8))
    sweep = MaskSweep('threshold', parse_values(['background=0.5,0.6'], 'threshold'), CLASSES)
    assert ImageCounter(tmp_path / 'out', sweep)(('a', *paths)) == 'a'
    with np.load(tmp_path / 'out' / 'a.npz') as file:
        found = file['counts']
    np.testing.assert_array_equal(read_image(paths[1])[..., ::-1], image)
    maps = cams.half().float()
    np.testing.assert_array_equal(found, sweep.count(image, maps, KEYS, gt).numpy())
