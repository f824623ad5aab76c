# CoSA from random weights on the toy shapes, tags to segmentation in one run of minutes on two CPU
# cores: the profile of the released logs at the size of mcc_toy.py. Nothing but the tags acts until
# the maps are worth copying, and the segmentation, which starts from random weights, guides them
# only once it has learned something. A short run needs a faster average. These maps are best at
# thresholds near 0.25 (auxiliary 0.15), so their labels begin there.
_base_ = [
    '_base_/datasets/toy_single_stage.py',
    '_base_/schedules/small_adamw.py',
    '_base_/cosa_runtime.py',
]
model = dict(
    type='mmwsss.CoSA',
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
    momentum=0.98,
    loss_weights=dict(seg=1.0, energy=0.0),
    loss_starts=dict(seg=800, cam=1000, separation=1000),
    pseudo_label=dict(
        high=0.4, low=0.15, aux_high=0.3, aux_low=0.1, scales=(1.0,), flip=False, downscale=1
    ),
    test_cfg=dict(size=None, scales=(1.0,), seg_scales=(1.0,), seg_flip=True),
)
train_pipeline = [
    dict(type='mmwsss.LoadImage'),
    dict(
        type='mmwsss.MultiViews',
        base={{_base_.base_steps}},
        views=[
            [],
            [
                dict(
                    type='mmwsss.StrongView',
                    operations=('identity', 'color', 'contrast', 'brightness', 'sharpness'),
                )
            ],
        ],
    ),
    dict(type='mmwsss.PackTagInputs'),
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
optim_wrapper = dict(optimizer=dict(lr=2e-3))
max_iters = 1200
train_cfg = dict(type='mmengine.IterBasedTrainLoop', max_iters=max_iters, val_interval=400)
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
# tools/test.py --tta: images resized to 96 x 96, two scales with flips
tta_options = {
    '_delete_': True,
    'model.test_cfg.size': (96, 96),
    'model.test_cfg.seg_scales': (1.0, 1.25),
}
default_hooks = dict(
    logger=dict(type='mmengine.LoggerHook', interval=50, log_metric_by_epoch=False),
    checkpoint=dict(
        type='mmwsss.AtomicCheckpointHook', by_epoch=False, interval=400, max_keep_ckpts=1
    ),
)
