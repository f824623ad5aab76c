# ACR, Table 4 on toy shapes: the two terms. The published values are those of VOC 2012: what to
# compare is the order.
off_activation = {'model.consistency.activation_weight': 0.0}
off_affinity = {'model.consistency.affinity_weight': 0.0}
grid = dict(
    title='ACR, Table 4: consistency terms (toy shapes)',
    source='ACR (CVPR 2023), Table 4 (VOC 2012)',
    note='Toy shapes, random weights. The published values are of VOC 2012.',
    base='{configs}/acr_toy.py',
    prepare=[dict(tool='dataset_converters/toy_shapes.py', args=['--out', 'data/toy_shapes'])],
    tests=[
        dict(name='star', options={'model.test_cfg.refine': False}),
        dict(name='refined', options={'model.test_cfg.refine': True}),
    ],
    columns=dict(
        star=dict(title='without affinity', test='star', key='cam/mIoU'),
        refined=dict(title='with affinity', test='refined', key='cam/mIoU'),
    ),
    rows=[
        dict(
            name='no term',
            options={**off_activation, **off_affinity},
            published=dict(star=51.1, refined=57.7),
        ),
        dict(name='activation', options=off_affinity, published=dict(star=54.8, refined=63.5)),
        dict(name='affinity', options=off_activation, published=dict(star=55.4, refined=64.9)),
        dict(name='both', published=dict(star=59.4, refined=67.3)),
    ],
)
