# DeepLabV3+ on EfficientNet-Lite0 with ImageNet weights, on pseudo masks of your own photos:
# minutes on a CPU. The number of classes, background included, is model.decode_head.num_classes
# (docs/user_guides/own_photos.md).
_base_ = ['msrc21/deeplabv3plus_lite0_msrc21_pseudo.py']
data_root = 'data/my_photos'
photos = dict(type='mmwsss.PseudoSegDataset', data_root=data_root, classes='classes.txt')
train_dataloader = dict(
    dataset=dict(
        _delete_=True,
        data_prefix=dict(img_path='JPEGImages', pseudo_mask_path='work_dirs/my_masks'),
        pipeline={{_base_.train_pipeline}},
        **photos,
    )
)
# without masks there is nothing to evaluate; predictions are written
val_dataloader = None
val_cfg = None
val_evaluator = None
evaluated = None  # the data set of the base
test_dataloader = dict(
    dataset=dict(
        _delete_=True,
        test_mode=True,
        pipeline=[dict(type='mmwsss.LoadImage'), dict(type='mmseg.PackSegInputs')],
        **photos,
    )
)
test_evaluator = [
    dict(type='mmwsss.SegMetric', format_only=True, output_dir='work_dirs/my_segmentation')
]
