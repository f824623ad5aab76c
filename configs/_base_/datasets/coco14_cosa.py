# MS COCO 2014 with image tags, the augmentation of VOC. Validation during training: the first 5,000
# images of val2014 (coco14_single_stage.py).
_base_ = ['voc12_cosa.py']
data_root = 'data/coco14'
total_batch_size = 8
images = dict(_delete_=True, type='mmwsss.COCO14TagDataset', data_root=data_root)
train_dataloader = dict(
    batch_size=8,
    dataset=dict(
        ann_file='ImageSets/Segmentation/train.txt',
        pipeline={{_base_.train_pipeline}},
        **images,
    ),
)
val_dataloader = dict(
    dataset=dict(
        ann_file='ImageSets/Segmentation/val_part.txt',
        test_mode=True,
        pipeline={{_base_.test_pipeline}},
        **images,
    )
)
test_dataloader = val_dataloader
coexist_classes = ('bird', 'train', 'airplane', 'boat', 'car')
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
