# The recipe of VOC on MS COCO 2014 with 81 classes: OUR INFERENCE, COCO settings are not released.
_base_ = ['_base_/models/deeplabv1_r38.py', '_base_/datasets/coco14_pseudo_seg.py', '_base_/default_runtime.py']
max_iters = 79350
optim_wrapper = dict(
    type='mmengine.OptimWrapper',
    optimizer=dict(type='SGD', lr=7e-5, momentum=0.9, weight_decay=5e-4),
    paramwise_cfg=dict(custom_keys={'decode_head': dict(lr_mult=10.)}))
param_scheduler = [dict(type='mmengine.PolyLR', eta_min=0., power=0.9, begin=0, end=max_iters + 1, by_epoch=False)]
train_cfg = dict(type='mmengine.IterBasedTrainLoop', max_iters=max_iters, val_interval=max_iters)
val_cfg = dict()
test_cfg = dict()
default_hooks = dict(
    logger=dict(type='mmengine.LoggerHook', interval=50, log_metric_by_epoch=False),
    checkpoint=dict(type='mmengine.CheckpointHook', by_epoch=False, interval=2645, max_keep_ckpts=2))
model = dict(decode_head=dict(num_classes=81))
