# DeepLabV3+ with half a ResNet-18 from random weights, on pseudo masks of your own photos: what
# deeplabv3plus_lite0_photos_pseudo.py is without its ImageNet weights.
_base_ = ['deeplabv3plus_lite0_photos_pseudo.py']
model = dict(
    backbone=dict(
        _delete_=True,
        type='mmseg.ResNetV1c',
        depth=18,
        base_channels=32,
        stem_channels=32,
        num_stages=4,
        out_indices=(0, 1, 2, 3),
        strides=(1, 2, 2, 1),
        dilations=(1, 1, 1, 2),
        norm_cfg=dict(type='BN', requires_grad=True),
        norm_eval=False,
        style='pytorch',
    ),
    decode_head=dict(in_channels=256, c1_in_channels=32),
)
