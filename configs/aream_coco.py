# AReAM on MS COCO 2014. The paper gives segmentation numbers only, and no recipe of its own: OUR
# INFERENCE, the recipe of VOC.
_base_ = ['aream_voc.py']
data_root = 'data/coco14'
model = dict(num_classes=80)
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
