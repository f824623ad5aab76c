# CoSA, Figure 8: segmentation and maps of the online and the assignment network, with and without
# swapped assignments, at the end of the training. Two trainings. The figure is a picture; its
# curves over the iterations are in validations.json of each training.
grid = dict(
    title='CoSA, Figure 8: swapped assignments',
    base='{configs}/cosa-paper_voc.py',
    tests=[
        dict(name='seg', args=['--protocol', 'cosa-voc-val']),
        dict(name='cam', args=['--protocol', 'cosa-voc-val-cam']),
    ],
    columns=dict(
        seg=dict(title='SPL, val', test='seg', key='seg/mIoU_image_tags'),
        cam=dict(title='CPL, val', test='cam', key='cam/mIoU'),
    ),
    rows=[
        dict(
            name=f'{name}, {network} network',
            options=options,
            test_options={'model.test_cfg.network': network},
        )
        for name, options in (('with SA', {}), ('without SA', {'model.momentum': 0.0}))
        for network in ('online', 'assignment')
    ],
)
