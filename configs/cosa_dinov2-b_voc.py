# CoSA on DINOv2-B/14, PASCAL VOC 2012: OUR INFERENCE and unverified, no paper has this network and
# no number is claimed. Views, batch, iterations and losses are those of CoSA; heads learn at its
# rate of 6e-4, the backbone at a third of its rate, decaying by 0.9 per layer towards the image.
# The positions of 37 x 37 patches are frozen and resized at each forward pass; 448 is 32 patches of
# 14, and every scale of training and test is a multiple of 14 too.
_base_ = ['cosa_voc.py']
model = dict(
    backbone=dict(
        img_size=518,
        patch_size=14,
        layer_scale_init_value=1e-5,
        init_cfg=dict(
            checkpoint='https://dl.fbaipublicfiles.com/dinov2/dinov2_vitb14/dinov2_vitb14_pretrain.pth'
        ),
    )
)
optim_wrapper = dict(
    optimizer=dict(lr=2e-5),
    paramwise_cfg=dict(
        custom_keys={
            **{
                name: dict(lr_mult=30.0)
                for name in ('classifier', 'aux_classifier', 'decode_head', 'projector')
            },
            **{f'backbone.layers.{i}.': dict(lr_mult=0.9 ** (12 - i)) for i in range(12)},
            **{
                f'backbone.{name}': dict(lr_mult=0.9**13)
                for name in ('patch_embed', 'cls_token', 'pos_embed')
            },
        }
    ),
)
