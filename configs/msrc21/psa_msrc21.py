# PSA's affinity network on MSRC-21 photographs, labels made from CAM files; embeddings of a frozen
# ImageNet trunk on a grid of 8 pixels.
#   python tools/make_affinity_labels.py --cams CAMS --images MSRC/JPEGImages --out LABELS \
#     --method psa
#   python tools/train.py configs/msrc21/psa_msrc21.py \
#     --cfg-options data_root=MSRC train_dataloader.dataset.data_prefix.affinity_path=LABELS
_base_ = ['../_base_/models/photo_trunk.py', '../_base_/default_runtime.py']
data_root = 'data/msrc21'
affinity_dir = 'work_dirs/psa_labels/msrc21'
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
    dict(type='mmwsss.AffinityCrop', crop_size=(192, 192)),
    dict(type='mmseg.RandomFlip', prob=0.5),
    dict(type='mmwsss.CRFMapsToLabel', stride=8),
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
model = dict(
    type='mmwsss.AffinityNet',
    data_preprocessor={{_base_.trunk_preprocessor}},
    backbone=dict(
        type='mmwsss.EfficientNetLite',
        output_stride=16,
        out_indices=(1, 2, 5),
        frozen_stages=6,
        centred=True,
        init_cfg={{_base_.trunk_weights}},
    ),
    embed_channels=(32, 32, 32),
    stride=8,
    full_border=True,
)
optim_wrapper = dict(
    type='mmengine.OptimWrapper', optimizer=dict(type='AdamW', lr=1e-3, weight_decay=0.01)
)
max_iters = 500
param_scheduler = [
    dict(type='mmengine.PolyLR', eta_min=0.0, power=0.9, begin=0, end=max_iters + 1, by_epoch=False)
]
train_cfg = dict(type='mmengine.IterBasedTrainLoop', max_iters=max_iters)
default_hooks = dict(
    logger=dict(type='mmengine.LoggerHook', interval=50, log_metric_by_epoch=False),
    checkpoint=dict(
        type='mmwsss.AtomicCheckpointHook', by_epoch=False, interval=100, max_keep_ckpts=1
    ),
)
