# The schedule of the single-stage methods for 32,000 iterations; the second half is validated every
# 4,000.
_base_ = ['single_stage.py']
max_iters = 32000
train_cfg = dict(max_iters=max_iters, val_interval=4000, val_begin=16000)
param_scheduler = [dict(_base_.warmup_poly, end=max_iters)]
default_hooks = dict(checkpoint=dict(interval=4000, save_best='seg/mIoU', rule='greater'))
