# PSA's affinity network from random weights on the toy shapes, labels made from CAM files: about a
# minute on two CPU cores. A quarter of a ResNet-18 with a grid of 4 pixels instead of ResNet-38
# with one of 8, because the shapes are small; AdamW, because nothing is pre-trained. Measured on
# 200 training images: 56 mIoU with --background 0.26, seeds 49.
_base_ = ['_base_/datasets/toy_affinity.py', '_base_/default_runtime.py']
model = dict(
    type='mmwsss.AffinityNet',
    data_preprocessor=dict(type='mmwsss.ViewsDataPreprocessor'),
    backbone=dict(
        type='mmwsss.PyramidResNet',
        depth=18,
        base_channels=16,
        stem_channels=32,
        strides=(1, 2, 2, 1),
        frozen_stages=-1,
        norm_eval=False,
    ),
    embed_channels=(8, 8, 8, 8, 8),
    stride=4,
    full_border=True,
)
optim_wrapper = dict(
    type='mmengine.OptimWrapper', optimizer=dict(type='AdamW', lr=1e-3, weight_decay=0.01)
)
max_iters = 300
param_scheduler = [
    dict(type='mmengine.PolyLR', eta_min=0.0, power=0.9, begin=0, end=max_iters + 1, by_epoch=False)
]
train_cfg = dict(type='mmengine.IterBasedTrainLoop', max_iters=max_iters)
default_hooks = dict(
    logger=dict(type='mmengine.LoggerHook', interval=50, log_metric_by_epoch=False),
    checkpoint=dict(
        type='mmwsss.AtomicCheckpointHook', by_epoch=False, interval=100, max_keep_ckpts=1
    ),
)
