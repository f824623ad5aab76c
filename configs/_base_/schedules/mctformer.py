# AdamW with the DeiT schedule as MCTformer's code runs it: learning rate 5e-4 * batch / 512,
# updated once an epoch and one epoch late. Weight decay spares 1-D tensors, biases and class
# tokens; position embeddings decay in MCTformer+ and are spared in V1 and V2.
optim_wrapper = dict(
    type='mmengine.AmpOptimWrapper',
    loss_scale='dynamic',
    optimizer=dict(
        type='AdamW', lr=5e-4 * 32 / 512, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.05
    ),
    paramwise_cfg=dict(
        norm_decay_mult=0.0, bias_decay_mult=0.0, custom_keys={'cls_token': dict(decay_mult=0.0)}
    ),
)
auto_scale_lr = dict(enable=False, base_batch_size=32)
train_cfg = dict(type='mmengine.EpochBasedTrainLoop', max_epochs=45, val_interval=45)
warmup_cosine = dict(
    type='mmwsss.WarmupCosineLR', warmup=5, warmup_lr=1e-6, min_lr=1e-5, lag=1, by_epoch=True
)
param_scheduler = [dict(warmup_cosine, end=45)]
val_cfg = dict()
test_cfg = dict()
default_hooks = dict(
    logger=dict(type='mmengine.LoggerHook', interval=50),
    checkpoint=dict(type='mmwsss.AtomicCheckpointHook', interval=1, max_keep_ckpts=1),
)
