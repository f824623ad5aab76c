# Tags to segmentation on the toy shapes in about six minutes: `make demo`. Masks by dense CRF,
# without the affinity network of mctformer_plus_toy.py; pixels that are unsure are ignored in
# training. Random weights everywhere, nothing is downloaded.
title = 'MCTformer+ on toy shapes, the demo'
data = 'data/toy_shapes'
classes = ('background', 'kite', 'boat', 'lamp', 'tree', 'robot', 'fish', 'car', 'house')
classifier = '{configs}/mctformer_plus_toy.py'
segmentor = '{configs}/deeplabv3plus_r18_toy_pseudo.py'
stages = [
    dict(name='data', tool='dataset_converters/toy_shapes.py', args=['--out', data], always=True),
    dict(name='classifier', tool='train.py', args=[classifier, '--work-dir', '{classifier}']),
    dict(
        name='cam_test',
        tool='test.py',
        args=[
            classifier,
            '{classifier.checkpoint}',
            '--work-dir',
            '{cam_test}',
            '--out',
            '{cam_test}/cams',
        ],
    ),
    dict(
        name='cams',
        tool='generate_cams.py',
        args=[
            classifier,
            '{classifier.checkpoint}',
            '--split',
            'train',
            '--out',
            '{cams}',
            '--half',
        ],
    ),
    dict(
        name='masks',
        tool='refine_cams.py',
        args=[
            '--cams',
            '{cams}',
            '--images',
            f'{data}/JPEGImages',
            '--out',
            '{masks}',
            '--method',
            'crf',
            '--background',
            '{classifier:cam/best_threshold}',
            '--unsure',
            '0.08',
            '--classes',
            f'{data}/classes.txt',
        ],
    ),
    dict(
        name='mask_eval',
        tool='evaluate_masks.py',
        args=[
            '--gt',
            f'{data}/SegmentationClass',
            '--list',
            f'{data}/ImageSets/Segmentation/train.txt',
            '--masks',
            '{masks}',
            '--classes',
            f'{data}/classes.txt',
            '--json',
            '{mask_eval}/metrics.json',
        ],
    ),
    dict(
        name='segmentation',
        tool='train.py',
        args=[
            segmentor,
            '--work-dir',
            '{segmentation}',
            '--cfg-options',
            'train_dataloader.dataset.data_prefix.pseudo_mask_path={masks}',
        ],
    ),
    dict(
        name='segmentation_test',
        tool='test.py',
        args=[
            segmentor,
            '{segmentation.checkpoint}',
            '--work-dir',
            '{segmentation_test}',
            '--crf',
            'mct_test',
            '--out',
            '{segmentation_test}/masks',
        ],
    ),
]
results = dict(cam='cam_test', mask='mask_eval', seg='segmentation_test')
report = dict(
    samples=dict(
        list=f'{data}/ImageSets/Segmentation/test.txt',
        images=f'{data}/JPEGImages',
        tags=f'{data}/image_tags.csv',
        gt=f'{data}/SegmentationClass',
        cams='{cam_test}/cams',
        seg='{segmentation_test}/masks',
        classes=classes,
        num=12,
    )
)
