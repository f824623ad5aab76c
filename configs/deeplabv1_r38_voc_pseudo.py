# DeepLab-V1 with ResNet-38 on pseudo masks of PASCAL VOC 2012, the segmentation stage of MCTformer:
# 30 epochs of batch 4 at 321. Sane optimiser: momentum 0.9 at a tenth of the rate. What the
# released code really ran (weight decay passed as momentum: momentum 1e-5, no weight decay, 7e-4
# and ten times that in the head) is deeplabv1_r38_voc_pseudo_as-released.py. It starts
# from PSA's classifier of VOC at weights/res38_cls.pth; another place: --cfg-options
# model.backbone.init_cfg.checkpoint=FILE
_base_ = [
    '_base_/models/deeplabv1_r38.py',
    '_base_/datasets/voc12_pseudo_seg.py',
    '_base_/default_runtime.py',
]
max_iters = 79350
optim_wrapper = dict(
    type='mmengine.OptimWrapper',
    optimizer=dict(type='SGD', lr=7e-5, momentum=0.9, weight_decay=5e-4),
    paramwise_cfg=dict(custom_keys={'decode_head': dict(lr_mult=10.0)}),
)
param_scheduler = [
    dict(type='mmengine.PolyLR', eta_min=0.0, power=0.9, begin=0, end=max_iters + 1, by_epoch=False)
]
train_cfg = dict(type='mmengine.IterBasedTrainLoop', max_iters=max_iters, val_interval=max_iters)
val_cfg = dict()
test_cfg = dict()
default_hooks = dict(
    logger=dict(type='mmengine.LoggerHook', interval=50, log_metric_by_epoch=False),
    checkpoint=dict(
        type='mmwsss.AtomicCheckpointHook', by_epoch=False, interval=2645, max_keep_ckpts=2
    ),
)
