# ACR on ViT-hybrid-B at 384, 98.2 M parameters: ImageNet-21k weights fine-tuned on ImageNet-1k,
# timm's vit_base_r50_s16_384. They were trained with pixels scaled to -1..1; the released code and
# this config feed ImageNet's mean and deviation, as for every other network.
model = dict(
    type='mmwsss.ACRClassifier',
    num_classes=20,
    backbone=dict(
        type='mmwsss.HybridViT',
        arch='base',
        img_size=384,
        init_cfg=dict(
            type='Pretrained',
            checkpoint='https://github.com/rwightman/pytorch-image-models/releases/download/v0.1-vitjx/'
            'jx_vit_base_resnet50_384-9fd3c705.pth',
        ),
    ),
    consistency=dict(activation_weight=125.0, affinity_weight=125.0, view='hflip'),
    test_cfg=dict(
        cam=dict(
            type='mmwsss.GradientAttention',
            grad_layers=2,
            relu='head',
            affinity='Am',
            affinity_layers=None,
        ),
        align_corners=True,
        eps=1e-6,
        flip=True,
        refine=True,
    ),
)
