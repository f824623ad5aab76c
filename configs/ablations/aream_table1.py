# AReAM, Table I: what refinement by the mean affinity, the affinity loss, PAR and PSA add. Two
# trainings of the classifier; the last two rows are those of the whole chain.
grid = dict(
    title='AReAM, Table I: seeds and pseudo masks',
    source='AReAM (arXiv 2305.03112v2), Table I',
    base='{configs}/aream_voc.py',
    tests=[dict(name='seeds', args=['--protocol', 'aream-voc-train-cam'])],
    columns=dict(miou=dict(title='mIoU, train', test='seeds', key='cam/mIoU')),
    rows=[
        dict(
            name='CAMs',
            options={'model.affinity_weight': 0.0},
            test_options={'model.test_cfg.refine': False},
            published=dict(miou=62.5),
        ),
        dict(
            name='CAMs, affinity',
            options={'model.affinity_weight': 0.0},
            published=dict(miou=65.9),
        ),
        dict(name='CAMs, affinity, AReAM', published=dict(miou=68.9)),
        dict(
            name='CAMs, AReAM, not refined',
            test_options={'model.test_cfg.refine': False},
        ),
        dict(
            name='CAMs, affinity, AReAM, PAR',
            base='{configs}/pipelines/aream_voc.py',
            tests=[],
            keys=dict(miou='par_eval:mask/mIoU'),
            published=dict(miou=69.2),
        ),
        dict(
            name='pseudo masks (CRF, PSA)',
            base='{configs}/pipelines/aream_voc.py',
            tests=[],
            keys=dict(miou='mask_eval:mask/mIoU'),
            published=dict(miou=75.1),
        ),
    ],
)
