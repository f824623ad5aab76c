# MCC from random weights on the toy shapes, tags to segmentation in one run of minutes on two CPU
# cores.
_base_ = [
    '_base_/datasets/toy_single_stage.py',
    '_base_/schedules/small_adamw.py',
    '_base_/single_stage_runtime.py',
]
model = dict(
    type='mmwsss.MCC',
    num_classes=8,
    backbone=dict(
        type='mmwsss.TokenViT',
        arch=dict(embed_dims=128, num_layers=4, num_heads=4, feedforward_channels=256),
        img_size=96,
        patch_size=8,
        final_norm=True,
        aux_layer=-2,
        stem=dict(type='mmwsss.ConvStem', channels=(24, 48, 96)),
    ),
    decode_head=dict(channels=128, dilation=2),
    projector=dict(out_channels=128, hidden_channels=256, bottleneck_channels=64),
    contrast_loss=dict(temperature=0.5),
    num_masks=4,
    mask_scale=3,
    mask_ratio=0.75,
    loss_weights=dict(seg=1.0, energy=0.0),
    loss_starts=dict(affinity=150, contrast=150, seg=150),
    pseudo_label=dict(high=0.6, low=0.3, scales=(1.0,), downscale=2),
    test_cfg=dict(scales=(1.0,), flip=True, seg_flip=True),
)
max_iters = 600
train_cfg = dict(type='mmengine.IterBasedTrainLoop', max_iters=max_iters, val_interval=300)
param_scheduler = [
    dict(
        type='mmwsss.WarmupPolyLR',
        warmup=50,
        warmup_ratio=0.01,
        power=0.9,
        end=max_iters,
        by_epoch=False,
    )
]
default_hooks = dict(
    logger=dict(type='mmengine.LoggerHook', interval=50, log_metric_by_epoch=False),
    checkpoint=dict(
        type='mmwsss.AtomicCheckpointHook', by_epoch=False, interval=300, max_keep_ckpts=1
    ),
)
