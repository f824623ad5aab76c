# PASCAL VOC 2012 + SBD with image tags, the augmentation and seed protocol of ACR at 384
# (ACR section 4.1).
_base_ = ['voc12_tags_448.py']
input_size = 384
# Padding is put around images in the mean colour: the released code pads with 0 after normalising.
train_pipeline = [
    dict(type='mmwsss.LoadImage'),
    dict(type='mmwsss.RandomLongSide', low=345, high=438),
    dict(type='mmpretrain.RandomFlip', prob=0.5),
    dict(type='mmwsss.AffinityCrop', crop_size=(input_size, input_size), img_pad=(104, 116, 124)),
    dict(type='mmwsss.TwoViews', transforms=('hflip',)),
    dict(type='mmwsss.PackTagInputs'),
]
# the ratio of the sides is not kept; masks are loaded afterwards, so that maps are evaluated at the
# size of the photograph
test_pipeline = [
    dict(type='mmwsss.LoadImage'),
    dict(type='mmseg.Resize', scale=(input_size, input_size), keep_ratio=False),
    dict(type='mmwsss.LoadMask', optional=True),
    dict(type='mmwsss.MultiScaleViews', scales=(1.0,)),
    dict(type='mmwsss.PackTagInputs'),
]
total_batch_size = 1
train_dataloader = dict(
    batch_size=1,
    sampler=dict(_delete_=True, type='mmwsss.SeededInfiniteSampler', shuffle=True),
    dataset=dict(pipeline=train_pipeline),
)
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader
val_evaluator = [
    dict(type='mmwsss.CAMMetric', thresholds=[step / 100 for step in range(100)]),
    dict(type='mmwsss.TagMetric'),
]
test_evaluator = val_evaluator
