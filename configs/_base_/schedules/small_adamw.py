# Small networks for the toy shapes and for photographs on a CPU: AdamW without decay of norms,
# biases, tokens and positions.
optim_wrapper = dict(
    type='mmengine.OptimWrapper',
    optimizer=dict(type='AdamW', lr=1e-3, weight_decay=0.05),
    paramwise_cfg=dict(
        norm_decay_mult=0.0,
        bias_decay_mult=0.0,
        custom_keys={'cls_token': dict(decay_mult=0.0), 'pos_embed': dict(decay_mult=0.0)},
    ),
)
warmup_cosine = dict(
    type='mmwsss.WarmupCosineLR',
    warmup=1,
    warmup_lr=1e-5,
    min_lr=1e-5,
    lag=0,
    by_epoch=True,
    convert_to_iter_based=True,
)
val_cfg = dict()
test_cfg = dict()
