# DeepLabV3+ with half a ResNet-18, from random weights, on pseudo masks of the toy shapes: minutes
# on two CPU cores.
_base_ = [
    'mmseg::_base_/models/deeplabv3plus_r50-d8.py',
    'mmseg::_base_/schedules/schedule_20k.py',
    '_base_/datasets/toy_pseudo_seg.py',
    '_base_/default_runtime.py',
]
crop_size = (64, 64)
model = dict(
    pretrained=None,
    data_preprocessor=dict(size=crop_size),
    backbone=dict(
        depth=18,
        base_channels=32,
        stem_channels=32,
        strides=(1, 2, 2, 1),
        dilations=(1, 1, 1, 2),
        contract_dilation=False,
    ),
    decode_head=dict(
        in_channels=256,
        channels=64,
        c1_in_channels=32,
        c1_channels=24,
        dilations=(1, 2, 4, 6),
        num_classes=9,
        dropout_ratio=0.0,
        loss_decode=dict(_delete_=True, type='mmwsss.PixelCrossEntropyLoss'),
    ),
    auxiliary_head=None,
)
optim_wrapper = dict(
    optimizer=dict(_delete_=True, type='AdamW', lr=3e-3, weight_decay=0.01), clip_grad=None
)
max_iters = 450
param_scheduler = [
    dict(type='mmengine.PolyLR', eta_min=0.0, power=0.9, begin=0, end=max_iters + 1, by_epoch=False)
]
train_cfg = dict(max_iters=max_iters, val_interval=max_iters)
default_hooks = dict(
    checkpoint=dict(type='mmwsss.AtomicCheckpointHook', by_epoch=False, interval=150)
)
# weights averaged over the last 50 steps or so: half a point to one of mIoU
custom_hooks = [
    dict(type='mmwsss.EpochSeedHook'),
    dict(type='mmwsss.MetricsFileHook'),
    dict(type='mmengine.EMAHook', momentum=0.02, update_buffers=True),
]
