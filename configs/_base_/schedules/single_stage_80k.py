# The schedule of the single-stage methods for MS COCO: 80,000 iterations with 8 images each.
_base_ = ['single_stage.py']
max_iters = 80000
auto_scale_lr = dict(base_batch_size=8)
train_cfg = dict(max_iters=max_iters, val_interval=4000)
param_scheduler = [dict(_base_.warmup_poly, end=max_iters)]
default_hooks = dict(checkpoint=dict(interval=4000))
