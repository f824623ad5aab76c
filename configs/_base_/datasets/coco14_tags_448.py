# MS COCO 2014 with image tags, augmentation as for VOC; CAMs are evaluated on train2014.
_base_ = ['voc12_tags_448.py']
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
