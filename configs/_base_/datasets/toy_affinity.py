# Toy shapes: images and CRF maps for PSA's affinity network, labels on a grid of 4 pixels.
data_root = 'data/toy_shapes'
affinity_dir = 'work_dirs/mctformer_plus_toy_pipeline/affinity_labels'
stride = 4
crop_size = (96, 96)
train_pipeline = [
    dict(type='mmwsss.LoadImage'),
    dict(type='mmwsss.LoadCRFMaps'),
    dict(
        type='mmwsss.ColorJitter',
        brightness=0.3,
        contrast=0.3,
        saturation=0.3,
        hue=0.1,
        backend='cv2',
    ),
    dict(type='mmwsss.AffinityCrop', crop_size=crop_size),
    dict(type='mmseg.RandomFlip', prob=0.5),
    dict(type='mmwsss.CRFMapsToLabel', stride=stride),
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
