# PASCAL VOC 2012 + SBD with image tags, the augmentation of MCTformer+ at 448 (timm's ImageNet
# recipe, section 4.1).
data_root = 'data/VOCdevkit/VOC2012'
input_size = 448
# timm applies these to RGB images; ours are BGR, so colours are written in BGR order
rand_augment = dict(  # its policies are names without a scope
    type='mmwsss.RandAugment',
    _scope_='mmpretrain',
    policies='timm_increasing',
    num_policies=2,
    total_level=10,
    magnitude_level=9,
    magnitude_std=0.5,
    hparams=dict(pad_val=[104, 116, 124], interpolation='bicubic'),
)
rand_erasing = dict(
    type='mmpretrain.RandomErasing',
    erase_prob=0.25,
    mode='rand',
    min_area_ratio=0.02,
    max_area_ratio=1 / 3,
    fill_color=[103.53, 116.28, 123.675],
    fill_std=[57.375, 57.12, 58.395],
)
train_pipeline = [
    dict(type='mmwsss.LoadImage'),
    dict(
        type='mmwsss.RandomResizedCrop',
        scale=input_size,
        crop_ratio_range=(0.08, 1.0),
        interpolation='bicubic',
    ),
    dict(type='mmpretrain.RandomFlip', prob=0.5),
    rand_augment,
    rand_erasing,
    dict(type='mmwsss.PackTagInputs'),
]
test_pipeline = [
    dict(type='mmwsss.LoadImage'),
    dict(type='mmwsss.LoadMask', optional=True),
    dict(type='mmwsss.MultiScaleViews', scales=(1.0, 0.75, 1.25)),
    dict(type='mmwsss.PackTagInputs'),
]
total_batch_size = 32
train_dataloader = dict(
    batch_size=32,
    num_workers=8,
    persistent_workers=True,
    drop_last=True,
    sampler=dict(type='mmengine.DefaultSampler', shuffle=True),
    dataset=dict(
        type='mmwsss.VOC12TagDataset',
        data_root=data_root,
        split='train_aug',
        pipeline=train_pipeline,
    ),
)
# CAMs are evaluated on the 1,464 images of `train`, as every paper does
val_dataloader = dict(
    batch_size=1,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type='mmengine.DefaultSampler', shuffle=False, round_up=False),
    dataset=dict(
        type='mmwsss.VOC12TagDataset',
        data_root=data_root,
        split='train',
        test_mode=True,
        pipeline=test_pipeline,
    ),
)
test_dataloader = val_dataloader
val_evaluator = [dict(type='mmwsss.CAMMetric'), dict(type='mmwsss.TagMetric')]
test_evaluator = val_evaluator
