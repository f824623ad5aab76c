# MCC, Figure 7: share that a mask hides, and size of its cells in tokens. One scale, no CRF. The
# figure is a picture of means and deviations; 0.75 and 4 are best on average.
grid = dict(
    title='MCC, Figure 7: masking ratio and scale',
    base='{configs}/mcc_voc.py',
    tests=[dict(name='test', args=['--protocol', 'mcc-voc-val-single'])],
    columns=dict(seg=dict(title='segmentation, val', test='test', key='seg/mIoU')),
    rows=[
        dict(
            name=f'ratio {ratio}, scale {scale}',
            options={'model.mask_ratio': ratio, 'model.mask_scale': scale},
        )
        for scale in (1, 2, 4, 7)
        for ratio in (0.45, 0.60, 0.75, 0.90, 0.95, 0.99)
    ],
)
