# DeepLab-V2 with ResNet-101 on pseudo masks of PASCAL VOC 2012 (ACR, AReAM and most papers): crop
# 321, batch 5 accumulated twice, 20,000 updates. ImageNet initialisation: weights trained on COCO
# masks, which some code starts from, would be pixel supervision.
_base_ = [
    '_base_/models/deeplabv2_r101.py',
    '_base_/datasets/voc12_pseudo_seg.py',
    '_base_/default_runtime.py',
]
train_pipeline = [
    dict(type='mmwsss.LoadImage'),
    dict(type='mmwsss.LoadMask'),
    dict(type='mmwsss.RandomScale', ratios=(0.5, 0.75, 1.0, 1.25, 1.5)),
    dict(type='mmseg.RandomCrop', crop_size=(321, 321)),
    dict(type='mmseg.RandomFlip', prob=0.5),
    dict(type='mmseg.PackSegInputs'),
]
total_batch_size = 10
train_dataloader = dict(batch_size=5, dataset=dict(pipeline=train_pipeline))
max_iters = 40000
optim_wrapper = dict(
    type='mmengine.OptimWrapper',
    accumulative_counts=2,
    optimizer=dict(type='SGD', lr=2.5e-4, momentum=0.9, weight_decay=5e-4),
    # a key that matches a parameter cancels bias_lr_mult, so the biases of the head are named
    paramwise_cfg=dict(
        custom_keys={
            'decode_head': dict(lr_mult=10.0),
            **{
                f'decode_head.convs.{index}.bias': dict(lr_mult=20.0, decay_mult=0.0)
                for index in range(4)
            },
        }
    ),
)
param_scheduler = [
    dict(type='mmengine.PolyLR', eta_min=0.0, power=0.9, begin=0, end=max_iters + 1, by_epoch=False)
]
train_cfg = dict(type='mmengine.IterBasedTrainLoop', max_iters=max_iters, val_interval=max_iters)
val_cfg = dict()
test_cfg = dict()
default_hooks = dict(
    logger=dict(type='mmengine.LoggerHook', interval=50, log_metric_by_epoch=False),
    checkpoint=dict(
        type='mmwsss.AtomicCheckpointHook', by_epoch=False, interval=5000, max_keep_ckpts=2
    ),
)
tta_pipeline = [
    dict(type='mmwsss.LoadImage'),
    dict(
        type='mmengine.TestTimeAug',
        transforms=[
            [
                dict(type='mmseg.Resize', scale_factor=scale, keep_ratio=True)
                for scale in (0.5, 0.75, 1.0, 1.25, 1.5)
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
tta_model = dict(rule='sum_logits')
