# PASCAL VOC 2012: training on pseudo masks of train_aug, evaluation on val at original size.
# tools/test.py --tta: five scales, largest softmax; --crf mct_test: the dense CRF of MCTformer's
# segmentation stage.
data_root = 'data/VOCdevkit/VOC2012'
pseudo_mask_dir = 'work_dirs/mctformer_plus_voc_pipeline/masks'
classes = 'voc'
crop_size = (321, 321)
train_pipeline = [
    dict(type='mmwsss.LoadImage'),
    dict(type='mmwsss.LoadMask'),
    dict(type='mmwsss.RandomScale', ratio_range=(0.7, 1.3)),
    dict(type='mmseg.RandomCrop', crop_size=crop_size),
    dict(type='mmseg.RandomFlip', prob=0.5),
    dict(type='mmseg.PackSegInputs'),
]
test_pipeline = [
    dict(type='mmwsss.LoadImage'),
    dict(type='mmwsss.LoadMask'),
    dict(type='mmseg.PackSegInputs'),
]
total_batch_size = 4
train_dataloader = dict(
    batch_size=4,
    num_workers=4,
    persistent_workers=True,
    drop_last=True,
    sampler=dict(type='mmwsss.SeededInfiniteSampler', shuffle=True),
    dataset=dict(
        type='mmwsss.PseudoSegDataset',
        data_root=data_root,
        raw_pixels=True,
        ann_file='ImageSets/Segmentation/train_aug.txt',
        data_prefix=dict(img_path='JPEGImages', pseudo_mask_path=pseudo_mask_dir),
        classes=classes,
        pipeline=train_pipeline,
    ),
)
val_dataloader = dict(
    batch_size=1,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type='mmengine.DefaultSampler', shuffle=False, round_up=False),
    dataset=dict(
        type='mmwsss.PseudoSegDataset',
        data_root=data_root,
        raw_pixels=True,
        ann_file='ImageSets/Segmentation/val.txt',
        data_prefix=dict(img_path='JPEGImages', seg_map_path='SegmentationClassAug'),
        classes=classes,
        test_mode=True,
        pipeline=test_pipeline,
    ),
)
test_dataloader = val_dataloader
val_evaluator = dict(type='mmwsss.SegMetric')
test_evaluator = val_evaluator
tta_model = dict(type='mmwsss.FusionTTAModel', rule='max_softmax')
tta_pipeline = [
    dict(type='mmwsss.LoadImage'),
    dict(
        type='mmengine.TestTimeAug',
        transforms=[
            [
                dict(type='mmwsss.AlignedScale', scale_factor=scale)
                for scale in (0.5, 0.75, 1.0, 1.25, 1.5)
            ],
            [dict(type='mmwsss.LoadMask')],
            [dict(type='mmseg.PackSegInputs')],
        ],
    ),
]
