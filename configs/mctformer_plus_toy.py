# MCTformer+ from random weights on the toy shapes: minutes on two CPU cores. A convolutional stem,
# because a plain patch embedding hardly localises without pre-training; no patch-affinity
# refinement, because the affinity of a shallow network from random weights is not local (measured:
# it lowers the CAM mIoU from 50 to 15).
_base_ = [
    '_base_/datasets/toy_tags.py',
    '_base_/schedules/small_adamw.py',
    '_base_/default_runtime.py',
]
model = dict(
    type='mmwsss.MCTformerPlus',
    num_classes=8,
    backbone=dict(
        type='mmwsss.TokenViT',
        arch=dict(embed_dims=128, num_layers=4, num_heads=4, feedforward_channels=256),
        img_size=96,
        patch_size=8,
        stem=dict(type='mmwsss.ConvStem', channels=(24, 48, 96)),
    ),
    test_cfg=dict(map_type='fused', refine=False),
)
train_cfg = dict(type='mmengine.EpochBasedTrainLoop', max_epochs=8, val_interval=8)
param_scheduler = [dict(_base_.warmup_cosine, end=8)]
default_hooks = dict(
    checkpoint=dict(type='mmwsss.AtomicCheckpointHook', interval=1, max_keep_ckpts=1)
)
