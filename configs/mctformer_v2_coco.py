# MCTformer V2 on MS COCO 2014 (settings of VOC, as its author states); published: 36.6 CAM mIoU on
# train.
_base_ = ['mctformer_v2_voc.py']
model = dict(num_classes=80)
data_root = 'data/coco14'
images = dict(
    type='mmwsss.COCO14TagDataset',
    data_root=data_root,
    ann_file='ImageSets/Segmentation/train.txt',
)
train_dataloader = dict(dataset=dict(_delete_=True, pipeline={{_base_.train_pipeline}}, **images))
val_dataloader = dict(
    dataset=dict(_delete_=True, test_mode=True, pipeline={{_base_.test_pipeline}}, **images)
)
test_dataloader = val_dataloader
