# CoSA on PASCAL VOC 2012 as the released logs ran it; published: 76.2 mIoU on val, filtered by
# ground-truth tags, at the best checkpoint. 4 images a step in all: two on each of 2 GPUs, as
# published, or 4 on one.
_base_ = [
    '_base_/models/cosa_vit-b.py',
    '_base_/datasets/voc12_cosa.py',
    '_base_/schedules/cosa.py',
    '_base_/cosa_runtime.py',
]
model = dict(loss_starts=dict(seg=6001, cam=6001, aux_cam=6001, energy=6001, separation=6001))
