# Oracle experiment of CoSA (Figure 1, Table 4a, row GT): the class maps are guided by the masks of
# the training images. NOT weakly supervised; what it measures is the upper bound. Needs the SBD
# masks of train_aug.
_base_ = ['../cosa-paper_voc.py']
model = dict(guidance='ground_truth', oracle=True)
train_pipeline = [
    dict(type='mmwsss.LoadImage'),
    dict(type='mmwsss.LoadMask'),
    dict(
        type='mmwsss.MultiViews',
        base=[
            dict(
                type='mmwsss.RandomScale', ratio_range=(0.5, 2.0), backend='pillow', truncate=True
            ),
            dict(type='mmpretrain.RandomFlip', prob=0.5),
            dict(type='mmwsss.AffinityCrop', crop_size=(448, 448), img_pad=0, seg_pad=255),
            dict(type='mmwsss.RandomPhotometry', blur_prob=0.5),
        ],
        views=[[], [dict(type='mmwsss.StrongView')]],
    ),
    dict(type='mmwsss.PackTagInputs'),
]
train_dataloader = dict(
    dataset=dict(
        data_prefix=dict(img_path='JPEGImages', seg_map_path='SegmentationClassAug'),
        test_mode=True,  # training sets load no masks
        pipeline=train_pipeline,
    )
)
