# ACR, Table 4: the two terms. Four trainings, each tested without and with refinement.
off_activation = {'model.consistency.activation_weight': 0.0}
off_affinity = {'model.consistency.affinity_weight': 0.0}
protocol = ['--protocol', 'acr-voc-train-cam']
grid = dict(
    title='ACR, Table 4: consistency terms',
    source='ACR (CVPR 2023), Table 4',
    base='{configs}/acr_voc.py',
    tests=[
        dict(name='star', args=protocol, options={'model.test_cfg.refine': False}),
        dict(name='refined', args=protocol),
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
