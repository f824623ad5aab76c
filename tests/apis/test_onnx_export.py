"""ONNX files against the public predictions of the models."""

import importlib.util
import json
from argparse import ArgumentParser
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import ConfigDict

from mmwsss.apis import init_model, onnx_export
from mmwsss.apis.onnx_export import compare_outputs, export_onnx
from mmwsss.checkpoints.released_weights import accept_released_weights
from mmwsss.registry import MODELS
from mmwsss.utils.cli_options import DictAction
from tests.mctformer_golden import INIT_ARCH, build, inference, samples_with
from tests.single_stage_models import build as single_stage

HAS_ONNX = all(importlib.util.find_spec(name) is not None for name in onnx_export.PACKAGES)
needs_onnx = pytest.mark.skipif(
    not HAS_ONNX, reason='onnx, onnxscript or onnxruntime is not installed'
)
MEAN, STD = (
    torch.tensor([123.675, 116.28, 103.53]).view(3, 1, 1),
    torch.tensor([58.395, 57.12, 57.375]).view(3, 1, 1),
)


def run(path, image):
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=['CPUExecutionProvider'])
    outputs = dict(
        zip(
            [output.name for output in session.get_outputs()],
            session.run(None, {'image': image.numpy()}),
        )
    )
    return outputs, session.get_modelmeta().custom_metadata_map


@needs_onnx
def test_classifier(tmp_path):
    """Scores and maps of the file are those of predict, flip and affinity included."""
    model = inference(build(5, INIT_ARCH), names=['a', 'b', 'ü', 'd', 'e'])
    saved = dict(model.test_cfg)
    result = export_onnx(model, tmp_path / 'model.onnx', (48, 64), batch_size=2)
    assert (
        result.outputs == {'scores': (2, 5), 'cams': (2, 5, 48, 64)}
        and max(result.differences.values()) < 1e-3
    )
    assert model.test_cfg == saved
    image = torch.randint(0, 256, (2, 3, 48, 64)).float()
    outputs, meta = run(tmp_path / 'model.onnx', image)
    samples = model.predict((image - MEAN) / STD, samples_with(torch.ones(2, 5)))
    for index, sample in enumerate(samples):
        np.testing.assert_allclose(outputs['cams'][index], sample.pred_cams.data, atol=1e-3)
        np.testing.assert_allclose(outputs['scores'][index], sample.pred_scores, atol=1e-5)
    assert (
        json.loads(meta['classes']) == ['background', 'a', 'b', 'ü', 'd', 'e']
        and 'RGB' in meta['input']
    )


@needs_onnx
@pytest.mark.parametrize(
    'options',
    [
        dict(num_registers=4, layer_scale_init_value=0.1, pos_interp_antialias=True),
        dict(
            pre_norm=True,
            norm_cfg=dict(type='LN', eps=1e-5),
            layer_cfgs=dict(act_cfg=dict(type='mmpretrain.QuickGELU')),
        ),
        dict(num_registers=4, rotary='dinov3', absolute_positions=False, key_bias=False),
        dict(rotary='eva02', ffn='swiglu_norm', qk_norm=True, attn_norm=True),
    ],
    ids=['dinov2', 'clip', 'dinov3', 'eva02'],
)
def test_classifier_on_other_backbones(options, tmp_path):
    backbone = dict(type='mmwsss.TokenViT', arch=INIT_ARCH, img_size=64, final_norm=True, **options)
    model = MODELS.build(dict(type='mmwsss.MCTformerPlus', num_classes=3, backbone=backbone))
    model.init_weights()
    result = export_onnx(inference(model), tmp_path / 'model.onnx', (64, 64))
    assert result.outputs == {'scores': (1, 3), 'cams': (1, 3, 64, 64)}
    assert max(result.differences.values()) < 1e-3


@needs_onnx
def test_segmentation_network(tmp_path):
    """A Caffe-style network: BGR inside, logits at the size of the image."""
    model = accept_released_weights(
        MODELS.build(
            ConfigDict(
                type='mmwsss.MSCSegmentor',
                scales=(1, 0.5),
                data_preprocessor=dict(
                    type='mmseg.SegDataPreProcessor',
                    mean=[104.0, 117.0, 123.0],
                    std=[1.0, 1.0, 1.0],
                    bgr_to_rgb=False,
                ),
                backbone=dict(
                    type='mmseg.ResNet',
                    depth=18,
                    base_channels=4,
                    stem_channels=4,
                    num_stages=1,
                    strides=(1,),
                    dilations=(1,),
                    out_indices=(0,),
                ),
                decode_head=dict(
                    type='mmwsss.DeepLabV2Head',
                    in_channels=4,
                    num_classes=6,
                    dilations=(1, 2),
                    loss_decode=dict(type='mmseg.CrossEntropyLoss', avg_non_ignore=True),
                ),
                test_cfg=dict(mode='whole'),
            )
        )
    ).eval()
    result = export_onnx(model, tmp_path / 'model.onnx', (32, 40))
    assert result.outputs == {'logits': (1, 6, 32, 40), 'labels': (1, 32, 40)}
    image = torch.randint(0, 256, (1, 3, 32, 40)).float()
    outputs, _ = run(tmp_path / 'model.onnx', image)
    bgr = image.flip(1) - torch.tensor([104.0, 117.0, 123.0]).view(3, 1, 1)
    sample = model.predict(bgr)[0]
    np.testing.assert_allclose(outputs['logits'][0], sample.seg_logits.data.detach(), atol=1e-3)
    assert (outputs['labels'][0] == sample.pred_sem_seg.data[0].numpy()).mean() > 0.999


@needs_onnx
@pytest.mark.parametrize('export', ['main', 'ensemble'])
def test_single_stage_network(export, tmp_path):
    """All four outputs, at scale 1."""
    torch.manual_seed(0)
    model = MODELS.build(
        dict(
            type='mmwsss.SingleStage',
            num_classes=3,
            decode_head=dict(channels=8),
            test_cfg=dict(scales=(1.0,), seg_flip=True, export=export),
            backbone=dict(
                type='mmwsss.TokenViT',
                arch=INIT_ARCH,
                img_size=32,
                patch_size=16,
                final_norm=True,
                aux_layer=-2,
            ),
        )
    ).eval()
    model.init_weights()
    result = export_onnx(model, tmp_path / 'model.onnx', (32, 48))
    assert list(result.outputs) == ['scores', 'cams', 'logits', 'labels']
    image = torch.randint(0, 256, (1, 3, 32, 48)).float()
    outputs, _ = run(tmp_path / 'model.onnx', image)
    sample = model.predict((image - MEAN) / STD, samples_with(torch.ones(1, 3)))[0]
    np.testing.assert_allclose(outputs['cams'][0], sample.pred_cams.data, atol=1e-3)
    np.testing.assert_allclose(outputs['scores'][0], sample.pred_scores, atol=1e-5)
    assert (outputs['labels'][0] == sample.pred_sem_seg.data[0].numpy()).mean() > 0.999


def test_differences():
    expected = {
        'scores': np.array([0.2, 0.8]),
        'logits': np.array([-50.0, 10.0]),
        'labels': np.array([[0, 1, 2, 3]]),
    }
    results = np.array([0.2, 0.7]), np.array([-50.0, 11.0]), np.array([[0, 1, 0, 3]])
    assert compare_outputs(expected, results) == pytest.approx(
        dict(scores=0.1, logits=0.02, labels=0.25)
    )
    assert compare_outputs({'cams': np.zeros(2)}, [np.array([0, np.nan])])['cams'] != 0


def test_advice_for_maps_that_are_gradients():
    """What the message tells to type gives a model that can be exported, though the options of the
    other maps are in the config.
    """
    config = Path(__file__).parents[2] / 'configs' / 'acr_toy.py'
    with pytest.raises(ValueError, match='maps of GradientAttention are gradients') as error:
        onnx_export.ExportedNetwork(init_model(config))
    advice = str(error.value).partition('--cfg-options ')[2].split()
    assert advice == onnx_export.OTHER_MAPS.split()
    parser = ArgumentParser()
    parser.add_argument('--cfg-options', nargs='+', action=DictAction)
    model = init_model(
        config, cfg_options=parser.parse_args(['--cfg-options', *advice]).cfg_options
    )
    with torch.no_grad(), onnx_export._all_classes(model):
        scores, cams = onnx_export.ExportedNetwork(model)(255 * torch.rand(1, 3, 96, 96))
    assert (
        type(model.cam).__name__ == 'TSCAM'
        and scores.shape == (1, 8)
        and cams.shape[-2:] == (96, 96)
    )
    guide = (Path(__file__).parents[2] / 'docs' / 'user_guides' / 'checkpoints.md').read_text(
        encoding='utf-8'
    )
    assert onnx_export.OTHER_MAPS in guide


def test_what_the_composed_recipe_adds_is_not_exported():
    pytest.importorskip('skimage')
    test_cfg = dict(superpixels=dict(), seg_maps=dict())  # empty: the default options
    model = single_stage('Composed', ranking_decay=0.9, test_cfg=test_cfg)
    with pytest.raises(ValueError, match='are not exported to ONNX') as error:
        onnx_export.ExportedNetwork(model)
    options = 'model.test_cfg.superpixels=None model.test_cfg.seg_maps=None'
    assert str(error.value).endswith(f'--cfg-options {options}')
    model.test_cfg.update(superpixels=None, seg_maps=None)
    assert onnx_export.ExportedNetwork(model).is_single_stage


def test_what_cannot_be_exported(tmp_path, monkeypatch):
    irn = MODELS.build(
        dict(
            type='mmwsss.IRNet',
            backbone=dict(type='mmwsss.PyramidResNet', depth=18, base_channels=8, stem_channels=8),
        )
    )
    with pytest.raises(
        ValueError, match='IRNet is neither a classifier nor a segmentation network'
    ):
        onnx_export.ExportedNetwork(irn)
    padded = build(2, INIT_ARCH, backbone=dict(pad_to_patch=True))
    monkeypatch.setattr(onnx_export, 'PACKAGES', ())
    with pytest.raises(
        ValueError, match='multiples of 16: export a size of whole multiples, got 30 x 32'
    ):
        export_onnx(padded, tmp_path / 'model.onnx', (30, 32))
    monkeypatch.setattr(onnx_export, 'PACKAGES', ('json', 'no_such_package'))
    with pytest.raises(
        ValueError, match='ONNX export needs no_such_package: pip install no_such_package'
    ):
        export_onnx(padded, tmp_path / 'model.onnx', (32, 32))
