# ToCo on MS COCO 2014 as its script starts it: temperature 1, contrast and affinity from iteration
# 12,001; published with DeiT-B: 41.3 mIoU on val with three scales and CRF.
_base_ = [
    '_base_/models/toco_deit-b.py',
    '_base_/datasets/coco14_single_stage.py',
    '_base_/schedules/single_stage_80k.py',
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
