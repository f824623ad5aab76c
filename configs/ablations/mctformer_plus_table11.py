# MCTformer+, Table 11: pooling of the patch maps.
grid = dict(
    title='MCTformer+, Table 11: global pooling',
    source='MCTformer+ (TPAMI 2024), Table 11',
    base='{configs}/mctformer_plus_voc.py',
    tests=[dict(name='seeds', args=['--protocol', 'mctformer-plus-voc-train-cam'])],
    columns=dict(seed=dict(title='seeds, train', test='seeds', key='cam/mIoU')),
    rows=[
        dict(name='GMP', options={'model.patch_head.pooling': 'gmp'}, published=dict(seed=59.4)),
        dict(name='GAP', options={'model.patch_head.pooling': 'gap'}, published=dict(seed=66.1)),
        dict(name='GWRP', published=dict(seed=68.8)),
    ],
)
