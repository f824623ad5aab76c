# The recipe of VOC on MS COCO 2014 with 81 classes and 100,000 updates: OUR INFERENCE, COCO
# settings are not released.
_base_ = ['deeplabv2_r101_voc_pseudo.py']
model = dict(decode_head=dict(num_classes=81))
data_root = 'data/coco14'
classes = 'classes.txt'
images = dict(data_root=data_root, classes=classes)
train_dataloader = dict(
    dataset=dict(
        ann_file='ImageSets/Segmentation/train.txt',
        data_prefix=dict(pseudo_mask_path='work_dirs/mctformer_plus_coco_pipeline/masks'),
        **images,
    )
)
val_dataloader = dict(dataset=dict(data_prefix=dict(seg_map_path='SegmentationClass'), **images))
test_dataloader = val_dataloader
max_iters = 200000
param_scheduler = [
    dict(type='mmengine.PolyLR', eta_min=0.0, power=0.9, begin=0, end=max_iters + 1, by_epoch=False)
]
train_cfg = dict(max_iters=max_iters, val_interval=max_iters)
