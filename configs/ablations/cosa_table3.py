# CoSA, Table 3: guided maps (GC), swapped assignments (SA), reliability weights (RAW), contrastive
# separation (CSC) and dynamic threshold (DT), added to the baseline (a) and left out of the whole
# (b). Without SA the online network makes its own labels (momentum 0). Published numbers use the
# tags of the image. Of (b) only the numbers of VOC are sure in our copy of the paper, and their
# rows are those of the crosses.
no_gc = {'model.loss_weights.cam': 0.0}
no_sa = {'model.momentum': 0.0}
no_raw = {'model.reliability_loss': None}
no_csc = {'model.loss_weights.separation': 0.0}
no_dt = {'model.dynamic_threshold': None}
grid = dict(
    title='CoSA, Table 3: components',
    source='CoSA (ECCV 2024), Table 3, columns VOC',
    base='{configs}/cosa-paper_voc.py',
    tests=[dict(name='test', args=['--protocol', 'cosa-voc-val'])],
    columns=dict(
        seg=dict(title='without tags, val', test='test', key='seg/mIoU'),
        tags=dict(title='with tags, val', test='test', key='seg/mIoU_image_tags'),
    ),
    rows=[
        dict(name=name, options=options, published=dict(tags=value))
        for name, options, value in (
            ('(a) baseline', {**no_gc, **no_sa, **no_raw, **no_csc, **no_dt}, 55.96),
            ('(a) GC', {**no_sa, **no_raw, **no_csc, **no_dt}, 63.09),
            ('(a) GC, SA', {**no_raw, **no_csc, **no_dt}, 64.41),
            ('(a) GC, SA, RAW', {**no_csc, **no_dt}, 68.22),
            ('(a) GC, SA, CSC', {**no_raw, **no_dt}, 71.66),
            ('(a) GC, SA, RAW, CSC', no_dt, 75.54),
            ('CoSA', {}, 76.19),
            ('(b) without CSC', no_csc, 69.89),
            ('(b) without RAW', no_raw, 72.45),
            ('(b) without SA', no_sa, 72.10),
            ('(b) without GC', no_gc, 74.12),
        )
    ],
)
