# MCC, Table III on toy shapes: token affinity and masked contrast, added one after the other. The
# published values are those of VOC 2012 val with three scales: what to compare is the order.
steps = 400
grid = dict(
    title='MCC, Table III: losses (toy shapes)',
    source='MCC (WACV 2024), Table III, column mIoU, VOC 2012 val',
    note=f'Toy shapes, {steps} steps. The published values are of VOC 2012.',
    base='{configs}/mcc_toy.py',
    seeds=[0, 1, 2],
    prepare=[dict(tool='dataset_converters/toy_shapes.py', args=['--out', 'data/toy_shapes'])],
    options={
        'train_cfg.max_iters': steps,
        'train_cfg.val_interval': steps,
        'param_scheduler.0.end': steps,
        'default_hooks.checkpoint.interval': steps,
    },
    tests=[dict(name='test', args=['--split', 'val'])],
    columns=dict(
        seg=dict(title='segmentation mIoU', test='test', key='seg/mIoU'),
        cam=dict(title='CAM mIoU', test='test', key='cam/mIoU'),
    ),
    rows=[
        dict(
            name='baseline',
            options={'model.loss_weights.affinity': 0.0, 'model.loss_weights.contrast': 0.0},
            published=dict(seg=55.7),
        ),
        dict(
            name='+ affinity',
            options={'model.loss_weights.contrast': 0.0},
            published=dict(seg=67.1),
        ),
        dict(name='+ affinity + contrast', published=dict(seg=69.6)),
    ],
    plot=dict(columns=['seg', 'cam']),
)
