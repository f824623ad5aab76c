# Toy shapes: images and label maps for IRN, labels on a grid of 4 pixels.
data_root = 'data/toy_shapes'
affinity_dir = 'work_dirs/irn_labels/toy'
train_pipeline = [
    dict(type='mmwsss.LoadImage'),
    dict(type='mmwsss.LoadIRLabel'),
    dict(type='mmwsss.AffinityScale', ratio_range=(0.8, 1.25)),
    dict(type='mmseg.RandomFlip', prob=0.5),
    dict(type='mmwsss.AffinityCrop', crop_size=(96, 96), img_pad=(104, 116, 124), seg_pad=255),
    dict(type='mmwsss.IRLabelToGrid', stride=4),
    dict(type='mmwsss.PackAffinityInputs'),
]
total_batch_size = 16
train_dataloader = dict(
    batch_size=16,
    num_workers=1,
    persistent_workers=True,
    drop_last=True,
    sampler=dict(type='mmwsss.SeededInfiniteSampler', shuffle=True),
    dataset=dict(
        type='mmwsss.AffinityDataset',
        data_root=data_root,
        ann_file='ImageSets/Segmentation/train.txt',
        data_prefix=dict(img_path='JPEGImages', affinity_path=affinity_dir),
        pipeline=train_pipeline,
    ),
)
