# OpenImages-WSOL with one class per image, augmentation as for VOC. Localisation is evaluated by
# its protocol: images resized to a square, maps and masks of 224 x 224 pixels, the map of the
# ground-truth class; `val` selects, `test` is reported.
_base_ = ['voc12_tags_448.py']
data_root = 'data/openimages'
test_pipeline = [
    dict(type='mmwsss.LoadImage'),
    dict(
        type='mmengine.Resize',
        scale=(448, 448),
        keep_ratio=False,
        interpolation='bicubic',
        backend='pillow',
    ),
    dict(type='mmwsss.MultiScaleViews', scales=(1.0, 0.75, 1.25)),
    dict(type='mmwsss.LoadWSOLMask', size=224),
    dict(type='mmwsss.PackTagInputs'),
]
images = dict(
    type='mmwsss.OpenImagesWSOLDataset',
    data_root=data_root,
    data_prefix=dict(img_path='', seg_map_path=''),
)
train_dataloader = dict(
    dataset=dict(_delete_=True, split='train', pipeline={{_base_.train_pipeline}}, **images)
)
val_dataloader = dict(
    dataset=dict(_delete_=True, split='val', test_mode=True, pipeline=test_pipeline, **images)
)
test_dataloader = dict(
    dataset=dict(_delete_=True, split='test', test_mode=True, pipeline=test_pipeline, **images)
)
val_evaluator = [dict(type='mmwsss.WSOLMetric')]
test_evaluator = val_evaluator
