# Tags to segmentation on MSRC-21 photographs with small networks from random weights: MCTformer+ ->
# CAMs -> la/ha CRF -> PSA -> random walk -> CRF -> DeepLab -> test with scales and CRF. Put the
# photographs, or a link to them, at data/msrc21. Three quarters of an hour on two CPU cores. The
# stages par and crf make masks that are only evaluated, to compare.
title = 'MCTformer+ on MSRC-21'
data = 'data/msrc21'
classes = (
    'background',
    'aeroplane',
    'bicycle',
    'bird',
    'boat',
    'body',
    'book',
    'car',
    'cat',
    'chair',
    'cow',
    'dog',
    'face',
    'flower',
    'sheep',
    'sign',
)
classifier = '{configs}/msrc21/mctformer_plus_msrc21.py'
affinity = '{configs}/msrc21/psa_msrc21.py'
segmentor = '{configs}/msrc21/deeplabv3plus_r18_msrc21_pseudo.py'
refine = ['--cams', '{cams}', '--images', f'{data}/JPEGImages', '--classes', f'{data}/classes.txt']
evaluate = [
    '--gt',
    f'{data}/SegmentationClass',
    '--list',
    f'{data}/ImageSets/Segmentation/train.txt',
    '--classes',
    f'{data}/classes.txt',
]
background = ['--background', '{classifier:cam/best_threshold}']
stages = [
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
        name='seeds',
        tool='evaluate_masks.py',
        args=[*evaluate, '--cams', '{cams}', '--json', '{seeds}/metrics.json'],
    ),
    dict(
        name='par',
        tool='refine_cams.py',
        args=[
            *refine,
            '--out',
            '{par}',
            '--method',
            'par',
            '--high',
            '{classifier:cam/best_threshold}',
            '--low',
            '{classifier:cam/best_threshold}',
        ],
    ),
    dict(
        name='par_eval',
        tool='evaluate_masks.py',
        args=[*evaluate, '--masks', '{par}', '--json', '{par_eval}/metrics.json'],
    ),
    dict(
        name='crf',
        tool='refine_cams.py',
        args=[*refine, '--out', '{crf}', '--method', 'crf', *background],
    ),
    dict(
        name='crf_eval',
        tool='evaluate_masks.py',
        args=[*evaluate, '--masks', '{crf}', '--json', '{crf_eval}/metrics.json'],
    ),
    dict(
        name='affinity_labels',
        tool='make_affinity_labels.py',
        args=[*refine, '--out', '{affinity_labels}', '--method', 'psa'],
    ),
    dict(
        name='affinity',
        tool='train.py',
        args=[
            affinity,
            '--work-dir',
            '{affinity}',
            '--cfg-options',
            'train_dataloader.dataset.data_prefix.affinity_path={affinity_labels}',
        ],
    ),
    dict(
        name='masks',
        tool='refine_cams.py',
        args=[
            *refine,
            '--out',
            '{masks}',
            '--method',
            'psa',
            '--then-crf',
            '--config',
            affinity,
            '--checkpoint',
            '{affinity.checkpoint}',
            *background,
        ],
    ),
    dict(
        name='mask_eval',
        tool='evaluate_masks.py',
        args=[*evaluate, '--masks', '{masks}', '--json', '{mask_eval}/metrics.json'],
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
            '--tta',
            '--crf',
            'mct_test',
            '--out',
            '{segmentation_test}/masks',
        ],
    ),
]
results = dict(seed='seeds', cam='cam_test', mask='mask_eval', seg='segmentation_test')
report = dict(
    samples=dict(
        list=f'{data}/ImageSets/Segmentation/val.txt',
        images=f'{data}/JPEGImages',
        tags=f'{data}/image_tags.csv',
        gt=f'{data}/SegmentationClass',
        cams='{cam_test}/cams',
        seg='{segmentation_test}/masks',
        classes=classes,
        num=12,
    )
)
