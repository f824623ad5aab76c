# CoSA on ViT-B/16: the weights of ImageNet-21k fine-tuned on ImageNet-1k, fed with the mean and
# deviation of ImageNet as released; the position embedding of 14 x 14 patches is frozen and resized
# at each forward pass. Labels, thresholds and weights of the released logs.
model = dict(
    type='mmwsss.CoSA',
    num_classes=20,
    backbone=dict(
        type='mmwsss.TokenViT',
        arch='deit-base',
        img_size=224,
        patch_size=16,
        final_norm=True,
        aux_layer=-3,
        frozen_pos_embed=True,
        init_cfg=dict(
            type='Pretrained',
            checkpoint='https://github.com/rwightman/pytorch-image-models/releases/download/v0.1-vitjx/jx_vit_base_p16_224-80ecf9dd.pth',
        ),
    ),
    decode_head=dict(channels=512, dilation=5),
    momentum=0.9994,
    detach='none',
    c2s_weights=(0.5, 0.5),
    cam_loss=dict(version='v1'),
    energy_loss=dict(
        kernel='lattice', weight=1e-7, sigma_rgb=15.0, sigma_xy=100.0, scale_factor=0.5
    ),
    loss_weights=dict(cls=1.0, aux_cls=1.0, seg=0.1, cam=0.05, energy=0.05, separation=0.0),
    pseudo_label=dict(
        labels='two',
        high=0.7,
        low=0.2,
        aux_high=0.7,
        aux_low=0.25,
        scales=(1.0, 0.5, 1.5),
        aux_scales='last',
        temperature=0.01,
    ),
    # the protocol of the authors: resized to 448 x 448, five scales with flips; the moving average
    # is evaluated
    test_cfg=dict(
        size=(448, 448),
        scales=(1.0, 0.5, 1.5, 0.75, 1.25),
        flip=True,
        seg_scales=(1.0, 0.5, 1.5, 0.75, 1.25),
        seg_flip=True,
        seg_fusion='sum_logits',
        network='assignment',
        export='main',
    ),
)
