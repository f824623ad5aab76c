# Oracle experiment of CoSA (Figure 1, Table 4a, row GT) on toy shapes: the class maps are guided by
# the masks of the training images. NOT weakly supervised; what it measures is the upper bound. The
# loss is Eq. 8 without the ReLU of the released code, which gives no gradient to negative values.
_base_ = ['../cosa_toy.py']
model = dict(guidance='ground_truth', oracle=True, cam_loss=dict(version='paper'))
train_pipeline = [
    dict(type='mmwsss.LoadImage'),
    dict(type='mmwsss.LoadMask'),
    dict(
        type='mmwsss.MultiViews',
        base=[
            dict(
                type='mmwsss.RandomScale', ratio_range=(0.75, 1.25), backend='pillow', truncate=True
            ),
            dict(type='mmpretrain.RandomFlip', prob=0.5),
            dict(type='mmwsss.AffinityCrop', crop_size=(96, 96), img_pad=0, seg_pad=255),
        ],
        views=[
            [],
            [
                dict(
                    type='mmwsss.StrongView',
                    operations=('identity', 'color', 'contrast', 'brightness', 'sharpness'),
                )
            ],
        ],
    ),
    dict(type='mmwsss.PackTagInputs'),
]
train_dataloader = dict(
    dataset=dict(
        data_prefix=dict(img_path='JPEGImages', seg_map_path='SegmentationClass'),
        test_mode=True,  # training sets load no masks
        pipeline=train_pipeline,
    )
)
