"""MCTformer V1 and V2."""

import pytest
import torch
from torch.nn import functional as F

from mmwsss.functional.attention import AttentionRequest
from tests.mctformer_golden import MODEL_ARCH, build, golden, samples_with, state_of

V1 = dict(type='mmwsss.MCTformer')
V2 = dict(
    type='mmwsss.MCTformer', patch_head=dict(pooling='gap'), backbone=dict(pos_interp_offset=0.1)
)


@pytest.fixture(scope='module')
def state():
    """Weights under the names that V1 and V2 were released with: one position embedding, repeated
    head.
    """
    state = state_of(golden('mctformer_plus_model'))
    state['pos_embed'] = torch.cat([state.pop('pos_embed_cls'), state.pop('pos_embed_pat')], 1)
    return state


@pytest.fixture
def image():
    return torch.randn(2, 3, 48, 64)


def released_maps(model, image, layers, keys):
    """Sections 3.2 to 3.4 of the paper, in plain steps."""
    everything = AttentionRequest('all', reduce='stack')
    features = model.backbone(image, attention={'all': everything})
    attention, (h, w) = features.attention['all'], features.patch_map.shape[-2:]
    cams = attention[-layers:, :, :5, 5:].sum(0)
    if model.patch_head is not None:
        cams = cams * model.patch_head(features.patch_map).clamp(min=0).flatten(2)
    affinity = attention[:, :, 5:, 5:].sum(0)
    return torch.einsum('bqk,bck->bcq', affinity, cams)[:, keys].unflatten(2, (h, w))


def normalised(maps):
    low, high = maps.amin((2, 3), keepdim=True), maps.amax((2, 3), keepdim=True)
    return (maps - low) / (high - low)


@pytest.mark.parametrize('options', [V1, V2], ids=['v1', 'v2'])
@torch.no_grad()
def test_maps(options, state, image):
    model = build(
        5,
        MODEL_ARCH,
        state=state if options is V2 else dict(state, **{'head.weight': torch.ones(5, 32)}),
        **options,
    )
    assert model.test_cfg['map_type'] == ('mct' if options is V1 else 'fused')
    for layers in (1, 2, 3):
        model.test_cfg['attention_layers'] = layers
        maps = model.maps_of(model.extract(image), [0, 2, 4])
        torch.testing.assert_close(
            normalised(maps),
            normalised(released_maps(model, image, layers, [0, 2, 4])),
            rtol=1e-4,
            atol=1e-4,
        )


@pytest.mark.parametrize('options', [V1, V2], ids=['v1', 'v2'])
def test_losses(options, state, image):
    model = build(
        5,
        MODEL_ARCH,
        state=state if options is V2 else dict(state, **{'head.weight': torch.ones(5, 32)}),
        **options,
    ).train()
    tags = torch.tensor([[1.0, 0, 0, 1, 0], [0, 0, 0, 0, 0]])
    losses = model.loss(image, samples_with(tags))
    features = model.backbone(image)

    def soft_margin(logits):
        return -(tags * F.logsigmoid(logits) + (1 - tags) * F.logsigmoid(-logits)).mean(1).mean()

    torch.testing.assert_close(losses['loss_cls'], soft_margin(features.class_tokens.mean(2)))
    if options is V1:
        assert set(losses) == {'loss_cls'} and model.patch_head is None
    else:
        assert set(losses) == {'loss_cls', 'loss_patch'}
        torch.testing.assert_close(
            losses['loss_patch'], soft_margin(model.patch_head(features.patch_map).mean((2, 3)))
        )
    sum(losses.values()).backward()
    without = [name for name, parameter in model.named_parameters() if parameter.grad is None]
    assert without == []


@pytest.mark.parametrize('options', [V1, V2], ids=['v1', 'v2'])
def test_scores_are_those_of_the_class_tokens(options, image):
    model = build(5, MODEL_ARCH, **options)
    torch.testing.assert_close(model(image), model.backbone(image).class_tokens.mean(2).sigmoid())


@pytest.mark.parametrize('pooling', ['max', 'linear'])
def test_other_class_heads(pooling, image):
    options = dict(num_classes=5, embed_dims=32) if pooling == 'linear' else {}
    model = build(5, MODEL_ARCH, class_head=dict(pooling=pooling, **options), **V1).train()
    sum(model.loss(image, samples_with(torch.ones(2, 5))).values()).backward()
    assert all(parameter.grad is not None for parameter in model.parameters())


def test_tokens_and_classes_must_agree():
    with pytest.raises(ValueError, match='4 tokens, 5 classes'):
        build(5, MODEL_ARCH, type='mmwsss.MCTformer', backbone=dict(num_class_tokens=4))


def test_map_types_of_a_model_without_patch_head(image):
    model = build(5, MODEL_ARCH, test_cfg=dict(map_type='fused'), **V1)
    with torch.no_grad(), pytest.raises(ValueError, match="only has 'mct'"):
        model.maps_of(model.extract(image), [0])
    model.test_cfg['map_type'] = 'cam'
    with torch.no_grad(), pytest.raises(ValueError, match="'cam'"):
        model.maps_of(model.extract(image), [0])
