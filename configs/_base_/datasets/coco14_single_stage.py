# MS COCO 2014 with image tags, the augmentation of VOC as released. Validation during training: the
# first 5,000 images of val2014, listed in ImageSets/Segmentation/val_part.txt, which coco14.py
# writes; tools/test.py --split val evaluates all.
_base_ = ['voc12_single_stage_as-released.py']
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
val_evaluator = [
    dict(type='mmwsss.SegMetric'),
    dict(type='mmwsss.CAMMetric', thresholds=(0.45,), rule=0.45, mean='present'),
    dict(
        type='mmwsss.CAMMetric',
        thresholds=(0.45,),
        rule=0.45,
        mean='present',
        field='pred_aux_cams',
        prefix='aux_cam',
    ),
    dict(type='mmwsss.TagMetric'),
]
test_evaluator = val_evaluator
# tools/test.py --tta [--crf toco_test]: resized to 448 x 448 first, larger of the flips, summed
# over scales
tta_options = {
    'model.test_cfg.size': (448, 448),
    'model.test_cfg.seg_scales': (1.0, 1.25, 1.5),
    'model.test_cfg.seg_fusion': 'sum_of_flip_maxima',
}
