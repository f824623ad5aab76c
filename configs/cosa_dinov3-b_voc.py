# CoSA on DINOv3-B/16, PASCAL VOC 2012: OUR INFERENCE and unverified, no paper has this network and
# no number is claimed. Views, batch, iterations and losses are those of CoSA; heads learn at its
# rate of 6e-4, the backbone at a third of its rate, decaying by 0.9 per layer towards the image, as
# on DINOv2. Places of patches are rotations, so that every size is one of training; while the
# network trains they are multiplied by one random factor of 1/2 to 2 in each pass, as DINOv3 does.
# The registers are kept. The licence of the weights has to be accepted first, on the page that
# docs/user_guides/weights.md names.
_base_ = ['cosa_voc.py']
model = dict(
    backbone=dict(
        num_registers=4,
        layer_scale_init_value=1e-5,
        rotary='dinov3',
        rotary_rescale=2.0,
        absolute_positions=False,
        key_bias=False,
        frozen_pos_embed=False,
        norm_cfg=dict(type='LN', eps=1e-5),
        init_cfg=dict(checkpoint='weights/dinov3_vitb16_pretrain_lvd1689m-73cec8be.pth'),
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
                for name in ('patch_embed', 'cls_token', 'register_tokens')
            },
        }
    ),
)
