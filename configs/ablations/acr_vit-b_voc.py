# ACR on ViT-B/16 at 384, PASCAL VOC 2012: a network that the released code names; optimizer of the
# released ViT-hybrid-B run, unverified.
_base_ = ['acr_deit-b_voc.py']
model = dict(
    backbone=dict(
        arch='base',
        init_cfg=dict(
            checkpoint='https://github.com/rwightman/pytorch-image-models/releases/download/v0.1-vitjx/'
            'jx_vit_base_p16_384-83fb41ba.pth'
        ),
    )
)
