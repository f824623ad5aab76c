# MCC, Table III: token affinity and masked contrast, added one after the other; three scales on
# val, without and with CRF. The columns of train are the same networks on the train split: add
# --split train by hand, its protocol is that of val.
off_affinity = {'model.loss_weights.affinity': 0.0}
off_contrast = {'model.loss_weights.contrast': 0.0}
grid = dict(
    title='MCC, Table III: losses',
    source='MCC (WACV 2024), Table III, columns of VOC val',
    base='{configs}/mcc_voc.py',
    tests=[
        dict(name='scales', args=['--protocol', 'mcc-voc-val-ms']),
        dict(name='crf', args=['--protocol', 'mcc-voc-val']),
    ],
    columns=dict(
        scales=dict(title='three scales', test='scales', key='seg/mIoU'),
        crf=dict(title='and CRF', test='crf', key='seg/mIoU'),
    ),
    rows=[
        dict(
            name='baseline',
            options={**off_affinity, **off_contrast},
            published=dict(scales=55.7, crf=55.8),
        ),
        dict(name='+ affinity', options=off_contrast, published=dict(scales=67.1, crf=67.5)),
        dict(name='+ affinity + contrast', published=dict(scales=69.6, crf=70.3)),
    ],
)
