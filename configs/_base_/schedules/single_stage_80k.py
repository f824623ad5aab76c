# The schedule of the single-stage methods for MS COCO: 80,000 iterations with 8 images each.
_base_ = ['single_stage.py']
max_iters = 80000
auto_scale_lr = dict(base_batch_size=8)
train_cfg = dict(max_iters=max_iters, val_interval=4000)
param_scheduler = [
    dict(
        type='mmwsss.WarmupPolyLR',
        warmup=1500,
        warmup_ratio=1e-6,
        power=0.9,
        end=max_iters,
        by_epoch=False,
    )
]
default_hooks = dict(checkpoint=dict(interval=4000))
