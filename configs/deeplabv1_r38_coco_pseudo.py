# The recipe of VOC on MS COCO 2014 with 81 classes: OUR INFERENCE, COCO settings are not released.
_base_ = ['deeplabv1_r38_voc_pseudo.py']
model = dict(decode_head=dict(num_classes=81))
data_root = 'data/coco14'
train_dataloader = dict(
    dataset=dict(
        data_root=data_root,
        ann_file='ImageSets/Segmentation/train.txt',
        metainfo=None,
        classes='classes.txt',
        data_prefix=dict(pseudo_mask_path='work_dirs/mctformer_plus_coco_pipeline/masks'),
    )
)
val_dataloader = dict(
    dataset=dict(
        data_root=data_root,
        metainfo=None,
        classes='classes.txt',
        data_prefix=dict(seg_map_path='SegmentationClass'),
    )
)
test_dataloader = val_dataloader
