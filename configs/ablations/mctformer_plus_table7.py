# MCTformer+, Table 7: what the seeds of MCTformer are made of. Two trainings; the rows of one
# network differ in the test alone.
grid = dict(
    title='MCTformer+, Table 7: ways to make the seeds of MCTformer',
    source='MCTformer+ (TPAMI 2024), Table 7',
    tests=[dict(name='seeds', args=['--protocol', 'mctformer-voc-train-cam'])],
    columns=dict(seed=dict(title='seeds, train', test='seeds', key='cam/mIoU')),
    rows=[
        dict(name='TS-CAM', reference=True, published=dict(seed=29.9)),
        dict(name='TS-CAM with ReLU', reference=True, published=dict(seed=41.3)),
        dict(
            name='attention',
            base='{configs}/mctformer_v1_voc.py',
            test_options={'model.test_cfg.refine': False},
            published=dict(seed=47.2),
        ),
        dict(
            name='attention, patch affinity',
            base='{configs}/mctformer_v1_voc.py',
            published=dict(seed=55.2),
        ),
        dict(
            name='attention, patch CAM',
            base='{configs}/mctformer_v2_voc.py',
            test_options={'model.test_cfg.refine': False},
            published=dict(seed=58.2),
        ),
        dict(
            name='attention, patch CAM, patch affinity',
            base='{configs}/mctformer_v2_voc.py',
            published=dict(seed=61.7),
        ),
    ],
)
