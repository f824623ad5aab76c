# CoSA, Figure 1 and Table 4a on toy shapes: what guides the class maps. The published values are
# those of VOC 2012: what to compare is the order. The row "ground truth" is an oracle: it trains
# with masks. The loss of the maps is Eq. 8 as printed: the ReLU of the released code gives no
# gradient where a map is negative. Its weight is 1, since few steps are made.
steps = 600
grid = dict(
    title='CoSA, Figure 1 and Table 4a: guidance of the class maps (toy shapes)',
    source='CoSA (ECCV 2024), Table 4a, column val (VOC 2012)',
    note=f'Toy shapes, {steps} steps, guidance from step {steps // 2}. Published: VOC 2012.',
    base='{configs}/cosa_toy.py',
    prepare=[dict(tool='dataset_converters/toy_shapes.py', args=['--out', 'data/toy_shapes'])],
    options={
        'train_cfg.max_iters': steps,
        'train_cfg.val_interval': steps,
        'param_scheduler.0.end': steps,
        'default_hooks.checkpoint.interval': steps,
        'model.loss_starts.seg': steps // 4,
        'model.loss_starts.cam': steps // 2,
        'model.loss_weights.cam': 1.0,
        'model.cam_loss.version': 'paper',
    },
    tests=[dict(name='test', args=['--split', 'val'])],
    columns=dict(
        cam=dict(title='CAM mIoU', test='test', key='cam/mIoU'),
        tags=dict(title='F1 of the tags', test='test', key='tags/F1_per_image'),
    ),
    rows=[
        dict(
            name='ground truth (oracle, not weakly supervised)',
            base='{configs}/ablations/cosa_oracle_toy.py',
            published=dict(cam=80.16),
        ),
        dict(
            name='none',
            options={'model.loss_weights.cam': 0.0},
            published=dict(cam=71.38),
        ),
        dict(name='segmentation (SPL)', published=dict(cam=76.37)),
        dict(
            name='segmentation, features detached',
            options={'model.detach': 'feat'},
            published=dict(cam=73.36),
        ),
        dict(
            name='segmentation, classifier detached',
            options={'model.detach': 'cls'},
            published=dict(cam=76.15),
        ),
        dict(name='noise', options={'model.guidance': 'noise'}),
    ],
)
