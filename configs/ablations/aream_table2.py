# AReAM, Table II: weight of the affinity loss; maps refined by PAR.
data = 'data/VOCdevkit/VOC2012'
train = f'{data}/ImageSets/Segmentation/train.txt'
masks = f'{data}/SegmentationClassAug'
published = {0.1: 67.6, 0.2: 69.2, 0.3: 69.1, 0.4: 69.2, 0.5: 68.8}
threshold = '{cam_eval:cam/best_threshold}'
grid = dict(
    title='AReAM, Table II: weight of the affinity loss',
    source='AReAM (arXiv 2305.03112v2), Table II',
    base='{configs}/aream_voc.py',
    tests=[
        dict(
            name='cams',
            tool='generate_cams.py',
            args=['{config}', '{checkpoint}', '--split', 'train', '--out', '{here}', '--half'],
        ),
        dict(
            name='cam_eval',
            tool='evaluate_masks.py',
            args=['--gt', masks, '--list', train, '--cams', '{cams}']
            + ['--thresholds', '0:0.8:0.01', '--json', '{here}/metrics.json'],
        ),
        dict(
            name='par',
            tool='refine_cams.py',
            args=['--cams', '{cams}', '--images', f'{data}/JPEGImages', '--out', '{here}']
            + ['--method', 'par', '--rule', 'eq16', '--low', threshold, '--high', threshold],
        ),
        dict(
            name='par_eval',
            tool='evaluate_masks.py',
            args=['--gt', masks, '--list', train, '--masks', '{par}']
            + ['--json', '{here}/metrics.json'],
        ),
    ],
    columns=dict(
        par=dict(title='with PAR, train', test='par_eval', key='mask/mIoU'),
        cam=dict(title='without PAR, train', test='cam_eval', key='cam/mIoU'),
    ),
    rows=[
        dict(
            name=f'{weight}',
            x=weight,
            options={'model.affinity_weight': weight},
            published=dict(par=value),
        )
        for weight, value in published.items()
    ],
    plot=dict(xlabel='weight of the affinity loss'),
)
