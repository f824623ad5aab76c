# Toy shapes: tags for training, masks for evaluation only. tools/dataset_converters/toy_shapes.py
# writes the folder.
data_root = 'data/toy_shapes'
classes = ('background', 'kite', 'boat', 'lamp', 'tree', 'robot', 'fish', 'car', 'house')
crop_size = (96, 96)
train_pipeline = [
    dict(type='mmwsss.LoadImage'),
    dict(type='mmpretrain.RandomResizedCrop', scale=96, crop_ratio_range=(0.5, 1.0)),
    dict(type='mmpretrain.RandomFlip', prob=0.5),
    dict(type='mmwsss.ColorJitter', brightness=0.2, contrast=0.2),
    dict(type='mmwsss.PackTagInputs'),
]
test_pipeline = [
    dict(type='mmwsss.LoadImage'),
    dict(type='mmwsss.LoadMask', optional=True),
    dict(type='mmwsss.MultiScaleViews', scales=(1.0,)),
    dict(type='mmwsss.PackTagInputs'),
]
total_batch_size = 32
train_dataloader = dict(
    batch_size=32,
    num_workers=1,
    persistent_workers=True,
    drop_last=True,
    sampler=dict(type='mmengine.DefaultSampler', shuffle=True),
    dataset=dict(
        type='mmwsss.ImageTagDataset',
        data_root=data_root,
        ann_file='ImageSets/Segmentation/train.txt',
        classes=classes,
        pipeline=train_pipeline,
    ),
)
evaluated = dict(
    type='mmwsss.ImageTagDataset',
    data_root=data_root,
    classes=classes,
    data_prefix=dict(img_path='JPEGImages', seg_map_path='SegmentationClass'),
    test_mode=True,
    pipeline=test_pipeline,
)
test_dataloader = dict(
    batch_size=1,
    num_workers=1,
    sampler=dict(type='mmengine.DefaultSampler', shuffle=False, round_up=False),
    dataset=dict(ann_file='ImageSets/Segmentation/test.txt', **evaluated),
)
val_dataloader = dict(
    test_dataloader,
    persistent_workers=True,
    dataset=dict(ann_file='ImageSets/Segmentation/val.txt', **evaluated),
)
val_evaluator = [
    dict(type='mmwsss.CAMMetric', thresholds=[step / 100 for step in range(100)]),
    dict(type='mmwsss.TagMetric'),
]
test_evaluator = val_evaluator
