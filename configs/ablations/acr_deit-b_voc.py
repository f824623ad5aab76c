# ACR on DeiT-B at 384, PASCAL VOC 2012: a network that the released code names; optimizer of the
# released ViT-hybrid-B run, unverified.
_base_ = ['../acr_voc.py']
model = dict(
    backbone=dict(
        _delete_=True,
        type='mmwsss.TokenViT',
        arch='deit-base',
        img_size=384,
        patch_size=16,
        pos_init='bilinear',
        pos_interp_mode='bilinear',
        init_cfg=dict(
            type='Pretrained',
            checkpoint='https://dl.fbaipublicfiles.com/deit/deit_base_patch16_384-8de9b5d1.pth',
        ),
    )
)
