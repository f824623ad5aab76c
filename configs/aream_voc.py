# AReAM on PASCAL VOC 2012, the recipe of the paper (version 2); published: 68.9 CAM mIoU on train.
# The warm-up is what the paper says: MCTformer's code, one epoch late, runs the first two at 1e-6
# (param_scheduler.0.lag=1). Crop, flip and colour jitter, no RandAugment and no erasing; tested at
# one scale with its flip.
_base_ = [
    '_base_/models/aream_deit-s.py',
    '_base_/datasets/voc12_tags_448.py',
    '_base_/schedules/mctformer.py',
    '_base_/default_runtime.py',
]
train_pipeline = [
    dict(type='mmwsss.LoadImage'),
    dict(
        type='mmwsss.RandomResizedCrop',
        scale=448,
        crop_ratio_range=(0.08, 1.0),
        interpolation='bicubic',
    ),
    dict(type='mmpretrain.RandomFlip', prob=0.5),
    dict(type='mmwsss.ColorJitter', brightness=0.4, contrast=0.4, saturation=0.4),
    dict(type='mmwsss.PackTagInputs'),
]
test_pipeline = [
    dict(type='mmwsss.LoadImage'),
    dict(type='mmwsss.LoadMask', optional=True),
    dict(type='mmwsss.MultiScaleViews', scales=(1.0,)),
    dict(type='mmwsss.PackTagInputs'),
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader
param_scheduler = [dict(_base_.warmup_cosine, lag=0, end=45)]
val_evaluator = [
    dict(type='mmwsss.CAMMetric', thresholds=[step / 100 for step in range(80)]),
    dict(type='mmwsss.TagMetric'),
]
test_evaluator = val_evaluator
