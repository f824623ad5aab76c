"""Every CAM method against one backward pass per image and class."""

import pytest
import torch

from mmwsss.models.cams import CAMMethod
from mmwsss.registry import MODELS
from tests.mctformer_golden import samples_with

from .networks import ARCH, C, naive, network

METHODS = {
    'acr': dict(type='mmwsss.GradientAttention'),
    'final': dict(type='mmwsss.GradientAttention', relu='final'),
    'class_attention': dict(type='mmwsss.ClassAttention', layers=2),
    'cam': dict(type='mmwsss.CAM'),
    'ts_cam': dict(type='mmwsss.TSCAM'),
    'ts_cam_relu': dict(type='mmwsss.TSCAM', relu=True),
    'grad_cam': dict(type='mmwsss.GradCAM'),
    'token': dict(type='mmwsss.GradCAM', features='token'),
    'generic': dict(type='mmwsss.GenericAttention'),
    'cam_grad': dict(type='mmwsss.GETAM', form='cam_grad'),
    'grad_s': dict(type='mmwsss.GETAM', form='grad_s'),
    'cam_grad_s': dict(type='mmwsss.GETAM', form='cam_grad_s'),
}
KINDS = {
    'acr': dict(kind='ACRClassifier'),
    'acr_norm': dict(kind='ACRClassifier', backbone=dict(final_norm=True)),
    'mctformer_v1': dict(
        kind='MCTformer', class_head=dict(pooling='linear', num_classes=C, embed_dims=24)
    ),
    'mctformer_plus': dict(kind='MCTformerPlus'),
    'aream': dict(kind='AReAM'),
}


def maps_of(model, images, keys):
    with torch.no_grad():
        return model.cam.maps_of(model, model.cam.extract(model, images), keys)


@pytest.mark.parametrize('kind', ['acr', 'acr_norm', 'mctformer_v1', 'mctformer_plus'])
@pytest.mark.parametrize('form', METHODS)
def test_equal_to_a_backward_pass_per_image_and_class(form, kind):
    if kind == 'mctformer_v1' and form in ('cam', 'ts_cam', 'ts_cam_relu'):
        pytest.skip('scores no patches')
    model = network(cam=METHODS[form], test_cfg=dict(refine=False), **KINDS[kind])
    images, keys = torch.randn(3, 3, 48, 64), [0, 3, 2]
    maps = maps_of(model, images, keys)
    assert maps.shape == (3, 3, 3, 4) and maps.dtype == torch.float32 and not maps.requires_grad
    expected = naive(model, images, keys, form)
    assert expected.abs().max() > 1e-9
    torch.testing.assert_close(
        maps.flatten(2) / expected.abs().max(),
        expected / expected.abs().max(),
        rtol=1e-4,
        atol=1e-5,
    )


@pytest.mark.parametrize('side', ['Am', 'mA'])
@pytest.mark.parametrize('form', ['acr', 'generic', 'cam'])
def test_refined(form, side):
    model = network(cam=dict(METHODS[form], affinity=side))
    images = torch.randn(2, 3, 48, 48)
    expected = naive(model, images, [1, 2], form, refine=side)
    maps = maps_of(model, images, [1, 2]).flatten(2)
    torch.testing.assert_close(
        maps / expected.max(), expected / expected.max(), rtol=1e-4, atol=1e-5
    )
    assert not torch.allclose(
        maps, naive(model, images, [1, 2], form, refine='mA' if side == 'Am' else 'Am'), rtol=1e-3
    )


@pytest.mark.parametrize('grad_layers', [1, 2, 3, 4])
@pytest.mark.parametrize('kind', ['acr', 'mctformer_plus'])
def test_number_of_differentiated_layers(kind, grad_layers):
    model = network(
        cam=dict(type='mmwsss.GradientAttention', grad_layers=grad_layers),
        test_cfg=dict(refine=False),
        **KINDS[kind],
    )
    images, keys = torch.randn(2, 3, 48, 48), [0, 2]
    expected = naive(model, images, keys, 'acr', grad_layers=grad_layers)
    torch.testing.assert_close(
        maps_of(model, images, keys).flatten(2) / expected.max(),
        expected / expected.max(),
        rtol=1e-4,
        atol=1e-5,
    )


def test_gradient_is_that_of_finite_differences():
    """The attention of a layer moved a little, everything else left to follow."""
    model = network(
        cam=dict(type='mmwsss.GradientAttention', relu='final'), test_cfg=dict(refine=False)
    ).double()
    image, key, step = torch.randn(1, 3, 48, 48, dtype=torch.float64), 1, 1e-5
    backbone = model.backbone
    with torch.no_grad():
        x = backbone(image, layer_inputs=2).layer_inputs

    def score(layer, head, token):
        tokens = x[layer]
        for index in range(layer, 2):
            attn = backbone.layers[2 + index].attn
            after, weights = backbone.explain_layer(2 + index, tokens)
            if index == layer:
                query, key_, value = backbone._query_key_value(
                    backbone.layers[2 + index], backbone.first_norm(2 + index, tokens)
                )
                weights = weights.clone()
                weights[0, head, 0, token] += step
                after = backbone._after_attention(
                    backbone.layers[2 + index], tokens, weights @ value
                )
            tokens = after
            assert attn.num_heads == 3
        return float(model.class_logits(tokens[:, :1])[0, key])

    with torch.no_grad():
        base = float(model.class_logits(backbone(image).class_tokens)[0, key])
        expected = [
            sum(
                (score(layer, head, token) - base) / step for layer in range(2) for head in range(3)
            )
            / 3
            for token in range(1, 10)
        ]
        maps = model.cam.maps_of(model, model.cam.extract(model, image), [key]).flatten()
    torch.testing.assert_close(
        maps.double(), torch.tensor(expected, dtype=torch.float64).relu(), rtol=1e-3, atol=1e-7
    )


@pytest.mark.parametrize('form', METHODS)
def test_images_and_classes_do_not_mix(form):
    model = network(cam=METHODS[form])
    images = torch.randn(3, 3, 48, 48)
    together = maps_of(model, images, [0, 1, 3])
    for index in range(3):
        alone = maps_of(model, images[index : index + 1], [3])[0, 0]
        torch.testing.assert_close(
            together[index, 2], alone, rtol=1e-3, atol=float(1e-5 * alone.abs().max())
        )


@pytest.mark.parametrize('form', METHODS)
@pytest.mark.parametrize('kind', ['acr', 'mctformer_plus', 'aream'])
def test_predictions(form, kind):
    """Through the common interface: flips, sizes, images without tags; under inference mode and in
    bfloat16.
    """
    model = network(cam=METHODS[form], **KINDS[kind])
    samples = samples_with([[1, 0, 1, 0], [0, 0, 0, 0]], ori_shape=(50, 70))
    with torch.inference_mode():
        first, second = model(torch.randn(2, 3, 48, 64), samples, mode='predict')
    assert first.pred_cams.data.shape == (2, 50, 70) and first.cam_keys == (0, 2)
    assert second.pred_cams.data.shape == (0, 50, 70)
    assert (
        0 <= first.pred_cams.data.min()
        and first.pred_cams.data.max() <= 1
        and torch.isfinite(first.pred_cams.data).all()
    )
    assert first.pred_scores.shape == (C,)
    model.test_cfg['dtype'] = 'bf16'
    half = model(torch.randn(1, 3, 48, 64), samples_with([[0, 1, 0, 0]]), mode='predict')[
        0
    ].pred_cams.data
    assert half.dtype == torch.float32 and torch.isfinite(half).all()


def test_no_tag_at_all():
    model = network()
    (sample,) = model(
        torch.randn(1, 3, 48, 48), samples_with([[0] * C], ori_shape=(30, 40)), mode='predict'
    )
    assert sample.pred_cams.data.shape == (0, 30, 40) and sample.cam_keys == ()


@pytest.mark.parametrize('form', ['acr', 'generic', 'cam_grad_s', 'grad_cam', 'cam'])
def test_constant_maps_are_zero(form):
    """A network whose scores do not depend on the image: no gradient, no map, no NaN."""
    model = network(cam=METHODS[form], test_cfg=dict(refine=False))
    torch.nn.init.zeros_(model.class_head.weight)
    cams = model(torch.randn(1, 3, 48, 48), samples_with([[1, 1, 0, 0]]), mode='predict')[
        0
    ].pred_cams.data
    assert cams.shape == (2, 48, 48) and not cams.any()


def test_only_the_last_layers_are_differentiated():
    """Below them nothing enters a graph, and no weight gets a gradient."""
    model = network()
    seen = {}
    for index, layer in enumerate(model.backbone.layers):
        layer.ln2.register_forward_hook(
            lambda module, inputs, output, index=index: seen.setdefault(index, []).append(
                output.requires_grad
            )
        )
    maps_of(model, torch.randn(1, 3, 48, 48), [0, 1, 2])
    assert [seen[index] for index in range(4)] == [[False], [False], [False, True], [False, True]]
    assert all(weight.grad is None for weight in model.parameters())


def test_no_explicit_attention_below_the_class_rows():
    """The two layers of the default need the class token's rows alone."""
    model, shapes = network(), []
    explain = model.backbone.explain_layer
    model.backbone.explain_layer = lambda *args, **options: (
        shapes.append(explain(*args, **options)[1].shape) or explain(*args, **options)
    )
    maps_of(model, torch.randn(1, 3, 48, 48), [0, 1])
    assert shapes == [(1, 3, 1, 10), (1, 3, 1, 10)]


@pytest.mark.parametrize(
    'config, message',
    [
        (dict(type='mmwsss.GradientAttention', relu='none'), "relu must be 'head' or 'final'"),
        (dict(type='mmwsss.GradientAttention', grad_layers=0), 'grad_layers must be at least 1'),
        (dict(type='mmwsss.GETAM', grad_layers=0), 'grad_layers must be at least 1'),
        (dict(type='mmwsss.GETAM', form='s'), 'form must be one of'),
        (dict(type='mmwsss.GradCAM', features='output'), "'attention' or 'token'"),
        (dict(type='mmwsss.CAM', affinity='AA'), "affinity must be 'Am' or 'mA'"),
    ],
)
def test_bad_options(config, message):
    with pytest.raises(ValueError, match=message):
        MODELS.build(config)


def test_models_that_lack_what_a_method_needs():
    model = network('MCTformer', cam=dict(type='mmwsss.CAM'))
    with pytest.raises(
        ValueError, match='MCTformer does not score patches, which the CAM method CAM needs'
    ):
        maps_of(model, torch.randn(1, 3, 48, 48), [0])
    model = network('MCTformer', cam=dict(type='mmwsss.GradientAttention'))
    model.backbone = torch.nn.Identity()
    with pytest.raises(ValueError, match='GradientAttention needs a backbone with class tokens'):
        maps_of(model, torch.randn(1, 3, 48, 48), [0])


def test_single_token_has_one_class_attention():
    model = network(cam=METHODS['class_attention'], test_cfg=dict(refine=False))
    maps = maps_of(model, torch.randn(1, 3, 48, 48), [0, 1])
    torch.testing.assert_close(maps[:, 0], maps[:, 1])
    assert (
        issubclass(type(model.cam), CAMMethod) and model.backbone.num_layers == ARCH['num_layers']
    )
