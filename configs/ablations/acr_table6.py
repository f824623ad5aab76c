# ACR, Table 6: the terms on DeiT-S, and added to MCTformer. The optimiser of acr_deit-s_voc.py and
# the weights of the terms on MCTformer's grid are our inference.
grid = dict(
    title='ACR, Table 6: DeiT-S',
    source='ACR (CVPR 2023), Table 6',
    columns=dict(
        star=dict(title='without affinity', test='star', key='cam/mIoU'),
        refined=dict(title='with affinity', test='refined', key='cam/mIoU'),
    ),
    rows=[
        dict(
            name=name,
            base=f'{{configs}}/{config}.py',
            tests=[
                dict(
                    name='star',
                    args=['--protocol', protocol],
                    options={'model.test_cfg.refine': False},
                ),
                dict(name='refined', args=['--protocol', protocol]),
            ],
            published=dict(star=star, refined=refined),
        )
        for name, config, protocol, star, refined in (
            ('MCTformer', 'mctformer_v2_voc', 'mctformer-voc-train-cam', 58.2, 61.7),
            ('MCTformer + ACR', 'mctformer_v2_acr_voc', 'mctformer-voc-train-cam', 60.4, 62.4),
            ('ACR', 'acr_deit-s_voc', 'acr-voc-train-cam', 56.8, 63.4),
        )
    ],
)
