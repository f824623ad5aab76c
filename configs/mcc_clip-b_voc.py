# MCC on the visual tower of CLIP ViT-B/16, PASCAL VOC 2012: OUR INFERENCE and unverified, no paper
# has this network and no number is claimed. Views, batch, iterations and losses are those of MCC
# with its geometry put right; heads learn at its rate of 6e-4, the backbone at a third of its rate,
# decaying by 0.75 per layer towards the image, as fine-tuned CLIP needs small rates in its first
# layers. Images are normalised as CLIP's; its text tower and projection are not loaded.
_base_ = ['ablations/mcc_fixed_voc.py']
model = dict(
    data_preprocessor=dict(
        type='mmwsss.ViewsDataPreprocessor',
        mean=(122.7709383, 116.7460125, 104.09373615),
        std=(68.5005327, 66.6321579, 70.32316305),
    ),
    backbone=dict(
        pre_norm=True,
        norm_cfg=dict(type='LN', eps=1e-5),
        layer_cfgs=dict(act_cfg=dict(type='mmpretrain.QuickGELU')),
        init_cfg=dict(
            checkpoint='https://huggingface.co/openai/clip-vit-base-patch16/resolve/main/pytorch_model.bin'
        ),
    ),
)
optim_wrapper = dict(
    optimizer=dict(lr=2e-5),
    paramwise_cfg=dict(
        custom_keys={
            **{
                name: dict(lr_mult=30.0)
                for name in ('classifier', 'aux_classifier', 'decode_head', 'projector')
            },
            **{f'backbone.layers.{i}.': dict(lr_mult=0.75 ** (12 - i)) for i in range(12)},
            **{
                f'backbone.{name}': dict(lr_mult=0.75**13)
                for name in ('patch_embed', 'cls_token', 'pos_embed', 'pre_norm')
            },
        }
    ),
)
