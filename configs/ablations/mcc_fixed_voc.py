# MCC on PASCAL VOC 2012: the released recipe with its geometry put right (configs/mcc/README.md).
_base_ = [
    '../_base_/models/mcc_deit-b.py',
    '../_base_/datasets/voc12_single_stage.py',
    '../_base_/schedules/single_stage.py',
    '../_base_/single_stage_runtime.py',
]
model = dict(
    contrast_loss=dict(for_else_term=True),
    mask_ratio=0.95,
    flag_cam=[(0, 'aux'), (12001, 'main')],
    loss_starts=dict(seg=2001, energy=2001),
    pseudo_label=dict(high=0.7, low=0.25, seg_cam='main', affinity_cam='aux'),
)
randomness = dict(diff_rank_seed=True)
