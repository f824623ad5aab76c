# MCC on DeiT-B/16: the position embedding of 14 x 14 patches is frozen and resized at each forward
# pass. The published settings of the loss and of the masks are in the configs of the method.
model = dict(
    type='mmwsss.MCC',
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
            checkpoint='https://dl.fbaipublicfiles.com/deit/deit_base_patch16_224-b5f2ef4d.pth',
        ),
    ),
    decode_head=dict(channels=512, dilation=5),
    projector=dict(out_channels=1024, hidden_channels=2048, bottleneck_channels=256),
    momentum=0.9,
    contrast_loss=dict(temperature=0.5),
    min_object=0.2,
    energy_loss=dict(
        kernel='lattice', weight=1e-7, sigma_rgb=15.0, sigma_xy=100.0, scale_factor=0.5
    ),
    loss_weights=dict(cls=1.0, aux_cls=1.0, affinity=0.2, contrast=0.5, seg=0.1, energy=0.05),
    test_cfg=dict(size=(448, 448), scales=(1.0, 0.5, 1.5), flip=True),
)
