# MCTformer+, Table 9: from a class token to its score. Seeds are the attention alone.
grid = dict(
    title='MCTformer+, Table 9: class scores from class tokens',
    source='MCTformer+ (TPAMI 2024), section 4.4 (text on Table 9)',
    base='{configs}/mctformer_v1_voc.py',
    options={'model.test_cfg.refine': False},
    tests=[dict(name='seeds', args=['--protocol', 'mctformer-voc-train-cam'])],
    columns=dict(seed=dict(title='seeds, train', test='seeds', key='cam/mIoU')),
    rows=[
        dict(
            name='maximum', options={'model.class_head.pooling': 'max'}, published=dict(seed=26.8)
        ),
        dict(
            name='fully connected',
            options={
                'model.class_head.pooling': 'linear',
                'model.class_head.num_classes': 20,
                'model.class_head.embed_dims': 384,
            },
            published=dict(seed=41.5),
        ),
        dict(name='average', published=dict(seed=47.2)),
    ],
)
