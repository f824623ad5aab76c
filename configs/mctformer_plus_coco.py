# MCTformer+ on MS COCO 2014. Nothing is released for COCO: this is OUR INFERENCE, the recipe of VOC
# on COCO. Published by the authors (their recipe unknown): 42.8 CAM mIoU on train.
_base_ = [
    '_base_/models/mctformer_plus_deit-s.py',
    '_base_/datasets/coco14_tags_448.py',
    '_base_/schedules/mctformer.py',
    '_base_/default_runtime.py',
]
model = dict(num_classes=80)
