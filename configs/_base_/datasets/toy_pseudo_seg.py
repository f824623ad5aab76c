# Toy shapes: training on pseudo masks, evaluation on the true ones.
data_root = 'data/toy_shapes'
pseudo_mask_dir = 'work_dirs/mctformer_plus_toy_pipeline/masks'
classes = ('background', 'kite', 'boat', 'lamp', 'tree', 'robot', 'fish', 'car', 'house')
crop_size = (64, 64)
train_pipeline = [
    dict(type='mmwsss.LoadImage'),
    dict(type='mmwsss.LoadMask'),
    dict(type='mmwsss.RandomScale', ratio_range=(0.8, 1.25)),
    dict(type='mmseg.RandomCrop', crop_size=crop_size),
    dict(type='mmseg.RandomFlip', prob=0.5),
    dict(type='mmseg.PackSegInputs'),
]
test_pipeline = [
    dict(type='mmwsss.LoadImage'),
    dict(type='mmwsss.LoadMask'),
    dict(type='mmseg.PackSegInputs'),
]
total_batch_size = 16
train_dataloader = dict(
    batch_size=16,
    num_workers=1,
    persistent_workers=True,
    drop_last=True,
    sampler=dict(type='mmwsss.SeededInfiniteSampler', shuffle=True),
    dataset=dict(
        type='mmwsss.PseudoSegDataset',
        data_root=data_root,
        ann_file='ImageSets/Segmentation/train.txt',
        data_prefix=dict(img_path='JPEGImages', pseudo_mask_path=pseudo_mask_dir),
        metainfo=dict(classes=classes),
        pipeline=train_pipeline,
    ),
)
evaluated = dict(
    type='mmwsss.PseudoSegDataset',
    data_root=data_root,
    metainfo=dict(classes=classes),
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
val_evaluator = dict(type='mmwsss.SegMetric')
test_evaluator = val_evaluator
tta_model = dict(type='mmwsss.FusionTTAModel', rule='max_softmax')
tta_pipeline = [
    dict(type='mmwsss.LoadImage'),
    dict(
        type='mmengine.TestTimeAug',
        transforms=[
            [
                dict(type='mmseg.Resize', scale_factor=scale, keep_ratio=True)
                for scale in (0.75, 1.0, 1.25)
            ],
            [
                dict(type='mmseg.RandomFlip', prob=probability, direction='horizontal')
                for probability in (0.0, 1.0)
            ],
            [dict(type='mmwsss.LoadMask')],
            [dict(type='mmseg.PackSegInputs')],
        ],
    ),
]
