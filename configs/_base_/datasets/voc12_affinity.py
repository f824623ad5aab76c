# PASCAL VOC 2012: images of train_aug and CRF maps for PSA's affinity network. The image is padded
# with black before it is normalised, the maps with 0, which makes cells that are ignored.
data_root = 'data/VOCdevkit/VOC2012'
affinity_dir = 'work_dirs/mctformer_plus_voc_pipeline/affinity_labels'
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
    dict(type='mmwsss.AffinityCrop', crop_size=(448, 448), img_pad=0, seg_pad=0),
    dict(type='mmseg.RandomFlip', prob=0.5),
    dict(type='mmwsss.CRFMapsToLabel', stride=8),
    dict(type='mmwsss.PackAffinityInputs'),
]
total_batch_size = 8
train_dataloader = dict(
    batch_size=8,
    num_workers=8,
    persistent_workers=True,
    drop_last=True,
    sampler=dict(type='mmwsss.SeededInfiniteSampler', shuffle=True),
    dataset=dict(
        type='mmwsss.AffinityDataset',
        data_root=data_root,
        raw_pixels=True,
        ann_file='ImageSets/Segmentation/train_aug.txt',
        data_prefix=dict(img_path='JPEGImages', affinity_path=affinity_dir),
        pipeline=train_pipeline,
    ),
)
