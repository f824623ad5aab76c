# PASCAL VOC 2012 + SBD with image tags at 224: MCTformer V1 and V2 train and test at one scale.
_base_ = ['voc12_tags_448.py']
input_size = 224
train_pipeline = [
    dict(type='mmwsss.LoadImage'),
    dict(
        type='mmwsss.RandomResizedCrop',
        scale=input_size,
        crop_ratio_range=(0.08, 1.0),
        interpolation='bicubic',
    ),
    dict(type='mmpretrain.RandomFlip', prob=0.5),
    {{_base_.rand_augment}},
    {{_base_.rand_erasing}},
    dict(type='mmwsss.PackTagInputs'),
]
test_pipeline = [
    dict(type='mmwsss.LoadImage'),
    dict(type='mmwsss.LoadMask', optional=True),
    dict(type='mmwsss.MultiScaleViews', scales=(1.0,)),
    dict(type='mmwsss.PackTagInputs'),
]
total_batch_size = 64
train_dataloader = dict(batch_size=64, dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader
