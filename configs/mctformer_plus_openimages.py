# MCTformer+ on OpenImages-WSOL (100 classes). Neither code nor recipe is released: this is OUR
# INFERENCE, the recipe of VOC, and the checkpoint with the best pIoU on `val`. Published by the
# authors (resolution and selection unknown): pIoU 55.6, PxAP 72.8 on `test`.
_base_ = [
    '_base_/models/mctformer_plus_deit-s.py',
    '_base_/datasets/openimages_tags_448.py',
    '_base_/schedules/mctformer.py',
    '_base_/default_runtime.py',
]
model = dict(num_classes=100)
train_cfg = dict(val_interval=5)
default_hooks = dict(checkpoint=dict(save_best='wsol/pIoU', rule='greater'))
