# ACR on MS COCO 2014 as its released code really runs: weights of both terms 100, a quarter of 5
# epochs of 82,081 images in steps of one.
_base_ = [
    '_base_/models/acr_vit-hybrid-b.py',
    '_base_/datasets/coco14_tags_384.py',
    '_base_/schedules/acr_sgd.py',
    '_base_/default_runtime.py',
]
model = dict(num_classes=80, consistency=dict(activation_weight=100.0, affinity_weight=100.0))
max_iters = 102600
train_cfg = dict(max_iters=max_iters, val_interval=max_iters)
param_scheduler = [
    dict(type='mmengine.PolyLR', eta_min=0.0, power=0.9, begin=0, end=max_iters + 1, by_epoch=False)
]
default_hooks = dict(checkpoint=dict(interval=20520))
