# ACR, Table 5: ways to make seeds from one trained network. One training, six tests.
protocol = ['--protocol', 'acr-voc-train-cam']
grid = dict(
    title='ACR, Table 5: seed generation methods',
    source='ACR (CVPR 2023), Table 5',
    base='{configs}/acr_voc.py',
    tests=[dict(name='seeds', args=protocol)],
    columns=dict(seed=dict(title='seeds, train', test='seeds', key='cam/mIoU')),
    rows=[
        dict(
            name=name,
            test_options={'model.test_cfg.cam': cam, 'model.test_cfg.refine': refine},
            published=dict(seed=value),
        )
        for name, cam, refine, value in (
            ('CAM', dict(_delete_=True, type='mmwsss.CAM'), False, 44.0),
            ('TS-CAM', dict(_delete_=True, type='mmwsss.TSCAM'), False, 40.1),
            ('Grad-CAM', dict(_delete_=True, type='mmwsss.GradCAM'), False, 50.5),
            ('Generic', dict(_delete_=True, type='mmwsss.GenericAttention'), False, 52.5),
            ('Generic, affinity', dict(_delete_=True, type='mmwsss.GenericAttention'), True, 59.6),
        )
    ]
    + [dict(name='ACR', published=dict(seed=67.3))],
)
