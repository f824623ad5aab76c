# PSA's affinity network on MS COCO 2014 with the settings of VOC and as many epochs: 5 epochs of
# 82,081 images. OUR INFERENCE: no recipe for COCO has been released; it starts from PSA's
# classifier of VOC.
_base_ = ['psa_voc.py']
data_root = 'data/coco14'
train_dataloader = dict(
    dataset=dict(
        data_root=data_root,
        ann_file='ImageSets/Segmentation/train.txt',
        data_prefix=dict(affinity_path='work_dirs/psa_labels/coco'),
    )
)
max_iters = 51300  # 5 epochs of 82,081 images
param_scheduler = [
    dict(type='mmengine.PolyLR', eta_min=0.0, power=0.9, begin=0, end=max_iters + 1, by_epoch=False)
]
train_cfg = dict(max_iters=max_iters)
default_hooks = dict(checkpoint=dict(interval=10260))
