# MCTformer+ on PASCAL VOC 2012, exactly the recipe of the released code; published: 68.8 CAM mIoU
# on train.
_base_ = [
    '_base_/models/mctformer_plus_deit-s.py',
    '_base_/datasets/voc12_tags_448.py',
    '_base_/schedules/mctformer.py',
    '_base_/default_runtime.py',
]
