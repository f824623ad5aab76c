# MCC, Table IV: thresholds of the labels. One scale, no CRF (its best cell is the number of the
# authors' log in this protocol). The steps of 2 to 4 points between neighbours suggest noise of the
# seeds.
values = {
    0.65: (63.4, 65.4, 67.6),
    0.70: (64.4, 68.8, 66.0),
    0.75: (67.1, 65.7, 64.7),
    0.80: (65.7, 64.9, 61.5),
}
grid = dict(
    title='MCC, Table IV: thresholds',
    source='MCC (WACV 2024), Table IV',
    base='{configs}/mcc_voc.py',
    tests=[dict(name='test', args=['--protocol', 'mcc-voc-val-single'])],
    columns=dict(seg=dict(title='segmentation, val', test='test', key='seg/mIoU')),
    rows=[
        dict(
            name=f'foreground {high}, background {low}',
            options={'model.pseudo_label.high': high, 'model.pseudo_label.low': low},
            published=dict(seg=value),
        )
        for high, row in values.items()
        for low, value in zip((0.20, 0.25, 0.30), row)
    ],
)
