# CoSA, Table 2: maps at threshold 0.5, main ones and the mean of main and auxiliary ones. One
# training.
grid = dict(
    title='CoSA, Table 2: class activation maps',
    source='CoSA (ECCV 2024), Table 2',
    base='{configs}/cosa-paper_voc.py',
    tests=[
        dict(name=split, args=['--protocol', f'cosa-voc-{split}-cam']) for split in ('train', 'val')
    ],
    columns=dict(
        train=dict(title='maps, train', test='train', key='cam/mIoU'),
        val=dict(title='maps, val', test='val', key='cam/mIoU'),
    ),
    rows=[
        dict(name='CoSA', published=dict(train=78.5, val=76.4)),
        dict(
            name='CoSA, main and auxiliary',
            test_options={'model.test_cfg.export': 'ensemble'},
            published=dict(train=78.9, val=77.2),
        ),
    ],
)
