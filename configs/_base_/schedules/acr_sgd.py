# SGD as ACR's released code really runs it: the weight decay meant for it lands in the argument of
# the momentum (5e-4), so there is none; and its four processes never average their gradients, so
# the saved one saw batches of one image.
max_iters = 26450  # a quarter of 10 epochs of 10,582 images
optim_wrapper = dict(
    type='mmengine.OptimWrapper',
    optimizer=dict(type='SGD', lr=0.05, momentum=5e-4, weight_decay=0.0),
)
auto_scale_lr = dict(enable=False, base_batch_size=1)
train_cfg = dict(type='mmengine.IterBasedTrainLoop', max_iters=max_iters, val_interval=max_iters)
param_scheduler = [
    dict(type='mmengine.PolyLR', eta_min=0.0, power=0.9, begin=0, end=max_iters + 1, by_epoch=False)
]
val_cfg = dict()
test_cfg = dict()
default_hooks = dict(
    logger=dict(type='mmengine.LoggerHook', interval=50, log_metric_by_epoch=False),
    checkpoint=dict(
        type='mmwsss.AtomicCheckpointHook', by_epoch=False, interval=5290, max_keep_ckpts=1
    ),
)
