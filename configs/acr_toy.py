# ACR from random weights on the toy shapes: minutes on two CPU cores. The network of
# mctformer_plus_toy.py with a single class token and 12 x 12 patches; the weights of the terms are
# scaled to them (125 -> 31). Rows of the ablation: --cfg-options
# model.consistency.activation_weight=0 model.consistency.affinity_weight=0
# model.test_cfg.refine=False
_base_ = ['mctformer_plus_toy.py']
train_pipeline = [
    dict(type='mmwsss.LoadImage'),
    dict(type='mmpretrain.RandomResizedCrop', scale=96, crop_ratio_range=(0.5, 1.0)),
    dict(type='mmpretrain.RandomFlip', prob=0.5),
    dict(type='mmwsss.ColorJitter', brightness=0.2, contrast=0.2),
    dict(type='mmwsss.TwoViews', transforms=('hflip',)),
    dict(type='mmwsss.PackTagInputs'),
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
model = dict(
    _delete_=True,
    type='mmwsss.ACRClassifier',
    num_classes=8,
    backbone=dict(
        type='mmwsss.TokenViT',
        arch=dict(embed_dims=128, num_layers=4, num_heads=4, feedforward_channels=256),
        img_size=96,
        patch_size=8,
        stem=dict(type='mmwsss.ConvStem', channels=(24, 48, 96)),
    ),
    consistency=dict(activation_weight=125.0, affinity_weight=125.0, reference_patches=576),
    test_cfg=dict(cam=dict(type='mmwsss.GradientAttention', grad_layers=2), refine=True),
)
