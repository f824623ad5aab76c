# IRN's boundary head on a ResNet-18 with random weights that are never trained, on the toy shapes:
# about two minutes on two CPU cores. A radius of 5 cells, because the crop has only 24 x 24 of
# them. It shows that the stages run; the masks are worse than the seeds (measured on 200 training
# images: 29 mIoU, 37 with --beta 20, seeds 49), because IRN expects sharp maps without a floor:
# even the true boundaries give only 44 with these. psa_toy.py is the affinity network that helps
# here (56).
_base_ = ['_base_/datasets/toy_ir_labels.py', '_base_/default_runtime.py']
model = dict(
    type='mmwsss.IRNet',
    data_preprocessor=dict(type='mmwsss.ViewsDataPreprocessor'),
    backbone=dict(
        type='mmwsss.PyramidResNet',
        depth=18,
        base_channels=32,
        stem_channels=64,
        strides=(1, 2, 2, 1),
        # frozen and random on purpose
        init_cfg=[
            dict(type='Kaiming', layer='Conv2d'),
            dict(type='Constant', val=1, layer=['_BatchNorm', 'GroupNorm']),
        ],
    ),
    edge_channels=32,
    min_test_size=96,
    radius=5,
)
optim_wrapper = dict(
    type='mmengine.OptimWrapper', optimizer=dict(type='AdamW', lr=3e-3, weight_decay=0.01)
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
