# MCC, Table I: segmentation with three scales and CRF. The test number of VOC comes from its server
# (docs/reproduction.md).
grid = dict(
    title='MCC, Table I: segmentation',
    source='MCC (WACV 2024), Table I, row MCC and row ToCo',
    columns=dict(seg=dict(title='segmentation, val', test='test', key='seg/mIoU')),
    rows=[
        dict(
            name=f'{name}, {data.upper()}',
            base=f'{{configs}}/{name.lower()}_{data}.py',
            tests=[dict(name='test', args=['--protocol', f'{name.lower()}-{data}-val'])],
            published=dict(seg=value),
        )
        for name, data, value in (
            ('ToCo', 'voc', 69.8),
            ('MCC', 'voc', 70.3),
            ('ToCo', 'coco', 41.3),
            ('MCC', 'coco', 42.3),
        )
    ],
)
