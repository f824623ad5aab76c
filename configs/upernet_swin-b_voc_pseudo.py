# UPerNet with Swin-B (ImageNet-22k) on pseudo masks of PASCAL VOC 2012, as CoSA-MS uses it; its
# recipe is unpublished, this is the schedule of mmseg at crop 512: OUR INFERENCE.
_base_ = [
    'mmseg::_base_/models/upernet_swin.py',
    'mmseg::_base_/schedules/schedule_40k.py',
    '_base_/datasets/voc12_pseudo_seg.py',
    '_base_/default_runtime.py',
]
crop_size = (512, 512)
train_pipeline = [
    dict(type='mmwsss.LoadImage'),
    dict(type='mmwsss.LoadMask'),
    dict(type='mmwsss.RandomScale', ratio_range=(0.5, 2.0)),
    dict(type='mmseg.RandomCrop', crop_size=crop_size),
    dict(type='mmseg.RandomFlip', prob=0.5),
    dict(type='mmseg.PhotoMetricDistortion'),
    dict(type='mmseg.PackSegInputs'),
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
model = dict(
    pretrained=None,
    data_preprocessor=dict(type='mmwsss.SegDataPreprocessor', size=crop_size),
    backbone=dict(
        pretrain_img_size=224,
        embed_dims=128,
        depths=[2, 2, 18, 2],
        num_heads=[4, 8, 16, 32],
        window_size=7,
        drop_path_rate=0.3,
        init_cfg=dict(
            type='Pretrained',
            checkpoint='https://download.openmmlab.com/mmsegmentation/v0.5/pretrain/swin/swin_base_patch4_window7_224_22k_20220317-4f79f7c0.pth',
        ),
    ),
    decode_head=dict(
        in_channels=[128, 256, 512, 1024],
        num_classes=21,
        loss_decode=dict(_delete_=True, type='mmwsss.PixelCrossEntropyLoss'),
    ),
    auxiliary_head=None,
)
optim_wrapper = dict(
    optimizer=dict(_delete_=True, type='AdamW', lr=6e-5, betas=(0.9, 0.999), weight_decay=0.01),
    paramwise_cfg=dict(
        custom_keys={
            'absolute_pos_embed': dict(decay_mult=0.0),
            'relative_position_bias_table': dict(decay_mult=0.0),
            'norm': dict(decay_mult=0.0),
            'decode_head': dict(lr_mult=10.0),
        }
    ),
)
param_scheduler = [
    dict(type='mmengine.LinearLR', start_factor=1e-6, by_epoch=False, begin=0, end=1500),
    dict(type='mmengine.PolyLR', eta_min=0.0, power=1.0, begin=1500, end=40001, by_epoch=False),
]
default_hooks = dict(checkpoint=dict(type='mmwsss.AtomicCheckpointHook', interval=4000))
