"""Published names of EfficientNet-Lite, and ours."""

import torch

from mmwsss.checkpoints.efficientnet_lite import translate_efficientnet_lite_keys


def test_blocks_are_counted_through_the_stages():
    state = {
        '_conv_stem.weight': torch.ones(1),
        '_blocks.0._depthwise_conv.weight': torch.ones(2),
        '_blocks.1._expand_conv.weight': torch.ones(3),
        '_blocks.2._bn0.running_mean': torch.ones(4),
        '_blocks.3._project_conv.weight': torch.ones(5),
        '_conv_head.weight': torch.ones(6),
        '_fc.bias': torch.ones(7),
        'own.weight': torch.ones(8),
    }
    ours, left_out = translate_efficientnet_lite_keys(state, (1, 2, 1))
    assert left_out == ['_conv_head.weight', '_fc.bias']
    assert len(ours['stages.0.0.depthwise.0.weight']) == 2
    assert len(ours['stages.1.0.expand.0.weight']) == 3
    assert len(ours['stages.1.1.expand.1.running_mean']) == 4
    assert len(ours['stages.2.0.project.0.weight']) == 5
    assert len(ours['own.weight']) == 8 and len(ours) == 6
