# PASCAL VOC 2012 + SBD with image tags, the augmentation of ToCo and MCC at 448 (MCC section IV-A),
# with its geometry put right: one flip, before the crop, which image, box and local
# view share. Views: labelled image, second crop of the photo, local view.
data_root = 'data/VOCdevkit/VOC2012'
crop_size = (448, 448)
jitter = dict(
    type='mmwsss.RandomPhotometry', jitter=(0.4, 0.4, 0.2, 0.1), jitter_prob=0.8, gray_prob=0.2
)
base_steps = [
    dict(type='mmwsss.RandomScaleCrop', ratio_range=(0.5, 2.0), crop_size=crop_size, img_pad=0),
]
second_crop = dict(
    source='original',
    steps=[
        dict(
            type='mmwsss.RandomResizedCrop',
            scale=448,
            crop_ratio_range=(0.4, 1.0),
            interpolation='bicubic',
        ),
        dict(type='mmpretrain.RandomFlip', prob=0.5),
        dict(blur_prob=0.1, solarize_prob=0.2, **jitter),
    ],
)
train_pipeline = [
    dict(type='mmwsss.LoadImage'),
    dict(
        type='mmwsss.MultiViews',
        base=base_steps,
        views=[[dict(blur_prob=1.0, **jitter)], second_crop, [dict(blur_prob=0.5, **jitter)]],
    ),
    dict(type='mmwsss.PackTagInputs'),
]
test_pipeline = [
    dict(type='mmwsss.LoadImage'),
    dict(type='mmwsss.LoadMask', optional=True),
    dict(type='mmwsss.PackTagInputs'),
]
# 4 images a step in all: one on each of 4 GPUs, as published, or 4 on one; the losses are means
# over images either way
total_batch_size = 4
train_dataloader = dict(
    batch_size=4,
    num_workers=8,
    persistent_workers=True,
    drop_last=True,
    sampler=dict(type='mmwsss.SeededInfiniteSampler', shuffle=True),
    dataset=dict(
        type='mmwsss.VOC12TagDataset',
        data_root=data_root,
        split='train_aug',
        pipeline=train_pipeline,
    ),
)
val_dataloader = dict(
    batch_size=1,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type='mmengine.DefaultSampler', shuffle=False, round_up=False),
    dataset=dict(
        type='mmwsss.VOC12TagDataset',
        data_root=data_root,
        split='val',
        test_mode=True,
        pipeline=test_pipeline,
    ),
)
test_dataloader = val_dataloader
# CAMs are cut at one threshold and use the tags of the image, the segmentation does not
val_evaluator = [
    dict(type='mmwsss.SegMetric'),
    dict(type='mmwsss.CAMMetric', thresholds=(0.5,), rule=0.5, mean='present'),
    dict(
        type='mmwsss.CAMMetric',
        thresholds=(0.5,),
        rule=0.5,
        mean='present',
        field='pred_aux_cams',
        prefix='aux_cam',
    ),
    dict(type='mmwsss.TagMetric'),
]
test_evaluator = val_evaluator
# tools/test.py --tta [--crf toco_test]: original size, three scales, flips summed, largest over
# scales
tta_options = {
    'model.test_cfg.outputs': ('seg',),
    'model.test_cfg.size': None,
    'model.test_cfg.seg_scales': (1.0, 1.5, 1.25),
    'model.test_cfg.seg_flip': True,
    'model.test_cfg.seg_fusion': 'max_of_flip_sums',
    'test_evaluator': [dict(type='mmwsss.SegMetric')],
}
