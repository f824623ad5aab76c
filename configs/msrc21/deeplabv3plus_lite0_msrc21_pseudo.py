# DeepLabV3+ on EfficientNet-Lite0 with ImageNet weights, on pseudo masks of MSRC-21 (data root by
# --cfg-options): minutes on a CPU.
_base_ = ['../_base_/models/photo_trunk.py', '../deeplabv3plus_r18_toy_pseudo.py']
data_root = 'data/msrc21'
crop_size = (160, 160)
train_pipeline = [
    dict(type='mmwsss.LoadImage'),
    dict(type='mmwsss.LoadMask'),
    dict(type='mmwsss.RandomScale', ratio_range=(0.6, 1.0)),
    dict(type='mmseg.RandomCrop', crop_size=crop_size),
    dict(type='mmseg.RandomFlip', prob=0.5),
    dict(type='mmseg.PhotoMetricDistortion'),
    dict(type='mmseg.PackSegInputs'),
]
evaluated = dict(
    data_root=data_root,
    ann_file='ImageSets/Segmentation/val.txt',
    metainfo=dict(_delete_=True, classes='classes.txt'),
)
total_batch_size = 8
train_dataloader = dict(
    batch_size=8,
    dataset=dict(
        data_root=data_root,
        metainfo=dict(_delete_=True, classes='classes.txt'),
        pipeline=train_pipeline,
        data_prefix=dict(pseudo_mask_path='work_dirs/mctformer_plus_msrc21_pipeline/masks'),
    ),
)
val_dataloader = dict(dataset=evaluated)
test_dataloader = dict(dataset=evaluated)
model = dict(
    data_preprocessor=dict(
        size=crop_size,
        mean={{_base_.trunk_preprocessor.mean}},
        std={{_base_.trunk_preprocessor.std}},
    ),
    backbone=dict(
        _delete_=True,
        type='mmwsss.EfficientNetLite',
        output_stride=16,
        out_indices=(1, 2, 4, 6),
        frozen_stages=7,
        centred=True,
        init_cfg={{_base_.trunk_weights}},
    ),
    decode_head=dict(
        in_channels=320,
        c1_in_channels=24,
        num_classes=16,
        dropout_ratio=0.1,
        # three of four pixels are background: with equal weights the network says so everywhere
        # for hundreds of steps
        loss_decode=dict(_delete_=True, type='mmwsss.PixelCrossEntropyLoss', background_weight=0.2),
    ),
)
optim_wrapper = dict(optimizer=dict(lr=3e-3))
# mIoU of val 51.1 on masks by PAR of MCTformer+, in four minutes of a CPU core
max_iters = 600
param_scheduler = [
    dict(type='mmengine.PolyLR', eta_min=0.0, power=0.9, begin=0, end=max_iters + 1, by_epoch=False)
]
train_cfg = dict(max_iters=max_iters, val_interval=max_iters)
