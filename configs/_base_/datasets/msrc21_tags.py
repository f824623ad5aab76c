# MSRC-21 photographs with image tags (320x213, 393 train, 96 val, 15 classes). The folder has the
# layout of own photos (docs/user_guides/own_data.md): --cfg-options data_root=/path/to/msrc21
data_root = 'data/msrc21'
train_dataloader = dict(
    num_workers=1,
    persistent_workers=True,
    drop_last=True,
    sampler=dict(type='mmwsss.SeededInfiniteSampler', shuffle=True),
    dataset=dict(
        type='mmwsss.ImageTagDataset',
        data_root=data_root,
        ann_file='ImageSets/Segmentation/train.txt',
        classes='classes.txt',
    ),
)
val_dataloader = dict(
    batch_size=1,
    num_workers=1,
    sampler=dict(type='mmengine.DefaultSampler', shuffle=False, round_up=False),
    dataset=dict(
        type='mmwsss.ImageTagDataset',
        data_root=data_root,
        ann_file='ImageSets/Segmentation/val.txt',
        classes='classes.txt',
        data_prefix=dict(img_path='JPEGImages', seg_map_path='SegmentationClass'),
        test_mode=True,
    ),
)
test_dataloader = val_dataloader
