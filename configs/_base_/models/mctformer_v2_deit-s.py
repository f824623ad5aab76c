# MCTformer V2 on DeiT-S at 224. The position embedding keeps the sampling rule its weights were
# trained with.
model = dict(
    type='mmwsss.MCTformer',
    num_classes=20,
    backbone=dict(
        type='mmwsss.TokenViT',
        arch='deit-small',
        img_size=224,
        patch_size=16,
        drop_path_rate=0.1,
        pos_init='bicubic',
        pos_interp_offset=0.1,
        init_cfg=dict(
            type='Pretrained',
            checkpoint='https://dl.fbaipublicfiles.com/deit/deit_small_patch16_224-cd65a155.pth',
        ),
    ),
    patch_head=dict(pooling='gap'),
    test_cfg=dict(
        map_type='fused',
        attention_layers=3,
        affinity_layers=None,
        fuse_sqrt=False,
        flip=True,
        refine=True,
    ),
)
