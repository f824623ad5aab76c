# ToCo on MS COCO 2014 as its script starts it: temperature 1, contrast and affinity from iteration
# 12,001; published with DeiT-B: 41.3 mIoU on val with three scales and CRF.
_base_ = [
    '_base_/models/toco_deit-b.py',
    '_base_/datasets/coco14_single_stage.py',
    '_base_/schedules/single_stage.py',
    '_base_/single_stage_runtime.py',
]
model = dict(
    num_classes=80,
    contrast_loss=dict(temperature=1.0),
    flag_cam='aux',
    loss_starts=dict(affinity=12001, contrast=12001, seg=8001, energy=8001),
    pseudo_label=dict(
        high=0.65,
        low=0.25,
        seg_cam=[(0, 'aux'), (12001, 'main')],
        affinity_cam='aux',
        legacy_box=True,
    ),
)
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
