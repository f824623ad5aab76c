# MCTformer+ on DINOv2-S/14, PASCAL VOC 2012: OUR INFERENCE and unverified, no paper has this
# network and no number is claimed. Batch, epochs, augmentation and losses are those of MCTformer+.
# Features that are already good should change little, so the rate decays by 0.9 per layer towards
# the image, and to zero at the end; 448 is 32 patches of 14.
_base_ = ['mctformer_plus_voc.py']
model = dict(
    backbone=dict(
        patch_size=14,
        layer_scale_init_value=1e-5,
        pos_init='bicubic',
        init_cfg=dict(
            checkpoint='https://dl.fbaipublicfiles.com/dinov2/dinov2_vits14/dinov2_vits14_pretrain.pth'
        ),
    )
)
optim_wrapper = dict(
    constructor='mmpretrain.LearningRateDecayOptimWrapperConstructor',
    paramwise_cfg=dict(layer_decay_rate=0.9, flat_decay_mult=0.0),
)
param_scheduler = [
    dict(
        type='mmwsss.WarmupCosineLR',
        warmup=5,
        warmup_lr=0.0,
        min_lr=0.0,
        lag=0,
        end=45,
        by_epoch=True,
    )
]
