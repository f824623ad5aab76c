# MCTformer+, Table 6: localisation on OpenImages.
grid = dict(
    title='MCTformer+, Table 6: pIoU and PxAP on OpenImages test',
    source='MCTformer+ (TPAMI 2024), section 4.3 (text on Table 6)',
    base='{configs}/mctformer_plus_openimages.py',
    tests=[dict(name='test', args=['--protocol', 'openimages-wsol-test'])],
    columns=dict(
        piou=dict(title='pIoU', test='test', key='wsol/pIoU'),
        pxap=dict(title='PxAP', test='test', key='wsol/PxAP'),
    ),
    rows=[dict(name='MCTformer+', published=dict(piou=55.6, pxap=72.8))],
    plot=None,
)
