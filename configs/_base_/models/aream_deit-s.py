# AReAM on DeiT-S at 448: MCTformer with GWRP and without the contrast of class tokens; maps of
# MCTformer V2 (product, last three layers).
model = dict(
    type='mmwsss.AReAM',
    num_classes=20,
    backbone=dict(
        type='mmwsss.TokenViT',
        arch='deit-small',
        img_size=448,
        patch_size=16,
        drop_path_rate=0.1,
        pad_to_patch=True,
        init_cfg=dict(
            type='Pretrained',
            checkpoint='https://dl.fbaipublicfiles.com/deit/deit_small_patch16_224-cd65a155.pth',
        ),
    ),
    patch_head=dict(pooling='gwrp', decay=0.996),
    contrast_weight=0.0,
    affinity_weight=0.2,
    affinity_start=8,
    affinity_mode='softmax_all',
    weighting='adaptive',
    affinity_loss=dict(style='paper', layer_reduction='sum'),
    par=dict(num_iters=10),
    labels=dict(mode='eq16', low=0.25, high=0.7, downscale=2),
    cam_flip=False,
    test_cfg=dict(
        map_type='fused',
        attention_layers=3,
        affinity_layers=None,
        fuse_sqrt=False,
        flip=True,
        refine=True,
    ),
)
