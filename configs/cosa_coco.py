# CoSA on MS COCO 2014 as the released logs ran it; published: 51.0 mIoU on val, filtered by
# ground-truth tags, at the best checkpoint.
_base_ = [
    '_base_/models/cosa_vit-b.py',
    '_base_/datasets/coco14_cosa.py',
    '_base_/schedules/cosa.py',
    '_base_/cosa_runtime.py',
]
model = dict(
    num_classes=80,
    loss_starts=dict(seg=10001, cam=10001, aux_cam=10001, energy=10001, separation=10001),
    pseudo_label=dict(high=0.65, low=0.25, aux_high=0.7, aux_low=0.25),
)
max_iters = 60000
auto_scale_lr = dict(base_batch_size=8)
train_cfg = dict(max_iters=max_iters, val_interval=6000, val_begin=30000)
param_scheduler = [dict(_base_.warmup_poly, end=max_iters)]
default_hooks = dict(checkpoint=dict(interval=6000))
