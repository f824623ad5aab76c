# Toy shapes for single-stage methods: three views of each image, as for VOC but with milder
# changes. tools/dataset_converters/toy_shapes.py writes the folder.
_base_ = ['toy_tags.py']
jitter = dict(type='mmwsss.RandomPhotometry', jitter=(0.2, 0.2, 0.1, 0.02), jitter_prob=0.8)
base_steps = [
    dict(type='mmwsss.RandomScale', ratio_range=(0.75, 1.25), backend='pillow', truncate=True),
    dict(type='mmpretrain.RandomFlip', prob=0.5),
    dict(type='mmwsss.AffinityCrop', crop_size=(96, 96), img_pad=0),
]
train_pipeline = [
    dict(type='mmwsss.LoadImage'),
    dict(
        type='mmwsss.MultiViews',
        base=base_steps,
        views=[
            [jitter],
            dict(
                source='original',
                steps=[
                    dict(
                        type='mmpretrain.RandomResizedCrop', scale=96, crop_ratio_range=(0.5, 1.0)
                    ),
                    dict(type='mmpretrain.RandomFlip', prob=0.5),
                    jitter,
                ],
            ),
            [jitter],
        ],
    ),
    dict(type='mmwsss.PackTagInputs'),
]
test_pipeline = [
    dict(type='mmwsss.LoadImage'),
    dict(type='mmwsss.LoadMask', optional=True),
    dict(type='mmwsss.PackTagInputs'),
]
total_batch_size = 16
train_dataloader = dict(
    batch_size=16,
    sampler=dict(type='mmwsss.SeededInfiniteSampler', shuffle=True),
    dataset=dict(pipeline=train_pipeline),
)
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))
val_evaluator = [
    dict(type='mmwsss.SegMetric', use_image_tags=True),
    dict(type='mmwsss.CAMMetric', thresholds=[step / 100 for step in range(100)]),
    dict(
        type='mmwsss.CAMMetric',
        thresholds=[step / 100 for step in range(100)],
        field='pred_aux_cams',
        prefix='aux_cam',
    ),
    dict(type='mmwsss.TagMetric'),
]
test_evaluator = val_evaluator
# tools/test.py --tta: two scales with flips
tta_options = {
    'model.test_cfg.outputs': ('seg',),
    'model.test_cfg.seg_scales': (1.0, 1.25),
    'model.test_cfg.seg_flip': True,
    'test_evaluator': [dict(type='mmwsss.SegMetric', use_image_tags=True)],
}
