# MCC, Table II: maps at threshold 0.5, and those of ToCo.
grid = dict(
    title='MCC, Table II: class activation maps',
    source='MCC (WACV 2024), Table II, rows ToCo and MCC',
    columns=dict(
        train=dict(title='maps, train', test='train', key='cam/mIoU'),
        val=dict(title='maps, val', test='val', key='cam/mIoU'),
    ),
    rows=[
        dict(
            name=name,
            base=f'{{configs}}/{name.lower()}_voc.py',
            tests=[
                dict(name=split, args=['--protocol', f'{name.lower()}-voc-{split}-cam'])
                for split in ('train', 'val')
            ],
            published=dict(train=train, val=val),
        )
        for name, train, val in (('ToCo', 72.2, 70.5), ('MCC', 73.0, 71.3))
    ],
)
