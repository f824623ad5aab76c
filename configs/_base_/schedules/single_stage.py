# AdamW as ToCo, MCC and CoSA run it: weight decay on everything, ten times the rate in all heads,
# warm-up of 1,500 steps inside a polynomial.
max_iters = 20000
optim_wrapper = dict(
    type='mmengine.OptimWrapper',
    optimizer=dict(type='AdamW', lr=6e-5, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.01),
    paramwise_cfg=dict(
        custom_keys={
            name: dict(lr_mult=10.0)
            for name in ('classifier', 'aux_classifier', 'decode_head', 'projector')
        }
    ),
)
auto_scale_lr = dict(enable=False, base_batch_size=4)
train_cfg = dict(type='mmengine.IterBasedTrainLoop', max_iters=max_iters, val_interval=2000)
warmup_poly = dict(
    type='mmwsss.WarmupPolyLR', warmup=1500, warmup_ratio=1e-6, power=0.9, by_epoch=False
)
param_scheduler = [dict(warmup_poly, end=max_iters)]
val_cfg = dict()
test_cfg = dict()
default_hooks = dict(
    logger=dict(type='mmengine.LoggerHook', interval=50, log_metric_by_epoch=False),
    checkpoint=dict(
        type='mmwsss.AtomicCheckpointHook', by_epoch=False, interval=2000, max_keep_ckpts=2
    ),
)
