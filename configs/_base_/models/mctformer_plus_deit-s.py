# MCTformer+ on DeiT-S at 448: 22.0 M parameters with 20 classes.
model = dict(
    type='mmwsss.MCTformerPlus',
    num_classes=20,
    backbone=dict(
        type='mmwsss.TokenViT',
        arch='deit-small',
        img_size=448,
        patch_size=16,
        drop_path_rate=0.1,
        init_cfg=dict(
            type='Pretrained',
            checkpoint='https://dl.fbaipublicfiles.com/deit/deit_small_patch16_224-cd65a155.pth',
        ),
    ),
    patch_head=dict(pooling='gwrp', decay=0.996),
    contrast_loss=dict(normalize=True, rows='present', num_layers=None),
    contrast_weight=1.0,
    test_cfg=dict(
        map_type='fused',
        attention_layers=None,
        affinity_layers=None,
        fuse_sqrt=True,
        flip=True,
        refine=True,
    ),
)
