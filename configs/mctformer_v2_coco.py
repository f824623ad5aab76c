# MCTformer V2 on MS COCO 2014 (settings of VOC, as its author states); published: 36.6 CAM mIoU on
# train.
_base_ = ['mctformer_v2_voc.py']
model = dict(num_classes=80)
data_root = 'data/coco14'
train_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='mmwsss.COCO14TagDataset',
        data_root=data_root,
        ann_file='ImageSets/Segmentation/train.txt',
        pipeline={{_base_.train_pipeline}},
    )
)
val_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='mmwsss.COCO14TagDataset',
        data_root=data_root,
        ann_file='ImageSets/Segmentation/train.txt',
        test_mode=True,
        pipeline={{_base_.test_pipeline}},
    )
)
test_dataloader = val_dataloader
