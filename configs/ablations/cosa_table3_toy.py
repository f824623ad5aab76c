# CoSA, Table 3 (a) on toy shapes, and RAW with the balance between classes that the loss it
# replaces has. The published values are those of VOC 2012: what to compare is the order.
steps = 400
no_gc = {'model.loss_weights.cam': 0.0}
no_sa = {'model.momentum': 0.0}
no_raw = {'model.reliability_loss': None}
no_csc = {'model.loss_weights.separation': 0.0}
no_dt = {'model.dynamic_threshold': None}
grid = dict(
    title='CoSA, Table 3 (a): components (toy shapes)',
    source='CoSA (ECCV 2024), Table 3 (a), column VOC',
    note=f'Toy shapes, {steps} steps. The published values are of VOC 2012.',
    base='{configs}/cosa-paper_toy.py',
    prepare=[dict(tool='dataset_converters/toy_shapes.py', args=['--out', 'data/toy_shapes'])],
    options={
        'train_cfg.max_iters': steps,
        'train_cfg.val_interval': steps,
        'param_scheduler.0.end': steps,
        'default_hooks.checkpoint.interval': steps,
        'model.loss_starts.seg': steps // 4,
        'model.loss_starts.cam': steps // 2,
        'model.loss_starts.separation': steps // 2,
    },
    tests=[dict(name='test', args=['--split', 'val'])],
    columns=dict(
        tags=dict(title='segmentation with tags', test='test', key='seg/mIoU_image_tags'),
        seg=dict(title='without tags', test='test', key='seg/mIoU'),
        cam=dict(title='CAM mIoU', test='test', key='cam/mIoU'),
    ),
    rows=[
        dict(
            name='baseline',
            options={**no_gc, **no_sa, **no_raw, **no_csc, **no_dt},
            published=dict(tags=55.96),
        ),
        dict(name='GC', options={**no_sa, **no_raw, **no_csc, **no_dt}, published=dict(tags=63.09)),
        dict(name='GC, SA', options={**no_raw, **no_csc, **no_dt}, published=dict(tags=64.41)),
        dict(name='GC, SA, RAW', options={**no_csc, **no_dt}, published=dict(tags=68.22)),
        dict(
            name='GC, SA, RAW balanced',
            options={**no_csc, **no_dt, 'model.reliability_loss.balanced': True},
        ),
        dict(name='GC, SA, RAW, CSC', options=no_dt, published=dict(tags=75.54)),
        dict(name='GC, SA, RAW, CSC, DT', published=dict(tags=76.19)),
    ],
    plot=dict(columns=['tags', 'cam']),
)
