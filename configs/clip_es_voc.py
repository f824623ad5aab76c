# CLIP-ES on PASCAL VOC 2012: maps of class names by CLIP ViT-B/16, nothing is trained. One scale,
# no flip; refinement by boxes at 0.4 and the attention of the last 8 layers. Images are padded to
# whole patches, which the released code resizes them to. The texts are made once:
#   tools/misc/make_text_cache.py --classes configs/clip_es/classes_voc.txt
#       --prompts configs/clip_es/prompts_voc.json --out data/clip_texts_voc.npz
_base_ = ['_base_/datasets/voc12_tags_448.py', '_base_/default_runtime.py']
model = dict(
    type='mmwsss.CLIPES',
    num_classes=20,
    backbone=dict(
        type='mmwsss.TokenViT',
        arch='deit-base',
        img_size=224,
        patch_size=16,
        pre_norm=True,
        final_norm=True,
        pad_to_patch=True,
        pos_interp_mode='bilinear',
        norm_cfg=dict(type='LN', eps=1e-5),
        layer_cfgs=dict(act_cfg=dict(type='mmpretrain.QuickGELU')),
    ),
    data_preprocessor=dict(
        type='mmwsss.ViewsDataPreprocessor',
        mean=(122.7709383, 116.7460125, 104.09373615),
        std=(68.5005327, 66.6321579, 70.32316305),
    ),
    test_cfg=dict(
        flip=False,
        cam=dict(
            type='mmwsss.TextCAM',
            embeddings='data/clip_texts_voc.npz',
            classes='voc',
        ),
    ),
)
test_pipeline = [
    dict(type='mmwsss.LoadImage'),
    dict(type='mmwsss.LoadMask', optional=True),
    dict(type='mmwsss.MultiScaleViews', scales=(1.0,)),
    dict(type='mmwsss.PackTagInputs'),
]
train_dataloader = None
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader
val_cfg = dict()
test_cfg = dict()
