# PASCAL VOC 2012 + SBD with image tags, the augmentation of CoSA at 448 (CoSA section 4.1).
# Views of one geometry: weak, which is blurred in half of the cases, and strong, which
# is the weak one after one photometric operation of nine.
_base_ = ['voc12_single_stage.py']
train_pipeline = [
    dict(type='mmwsss.LoadImage'),
    dict(
        type='mmwsss.MultiViews',
        base=[
            dict(
                type='mmwsss.RandomScaleCrop',
                ratio_range=(0.5, 2.0),
                crop_size=(448, 448),
                img_pad=0,
            ),
            dict(type='mmwsss.RandomPhotometry', blur_prob=0.5),
        ],
        views=[[], [dict(type='mmwsss.StrongView')]],
    ),
    dict(type='mmwsss.PackTagInputs'),
]
total_batch_size = 4
train_dataloader = dict(batch_size=4, dataset=dict(pipeline=train_pipeline))
coexist_classes = ('bird', 'train', 'aeroplane', 'boat', 'car')
# first the mIoU without tags, beside it the one filtered by ground-truth tags that the authors
# report on val; the classes of their C-mIoU are unknown, the default are those that their figures
# show
val_evaluator = [
    dict(type='mmwsss.SegMetric', use_image_tags=True, coexist_classes=coexist_classes),
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
# tools/test.py --tta: images at their own size instead of 448 x 448
tta_options = {'_delete_': True, 'model.test_cfg.size': None}
