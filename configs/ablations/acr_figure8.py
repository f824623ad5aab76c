# ACR, Figure 8: layers, from the last, whose gradients make the seeds. One training, twelve tests.
# The figure is a picture.
grid = dict(
    title='ACR, Figure 8: layers of the seeds',
    base='{configs}/acr_voc.py',
    tests=[dict(name='seeds', args=['--protocol', 'acr-voc-train-cam'])],
    columns=dict(
        seed=dict(title='mIoU', test='seeds', key='cam/mIoU'),
        fp=dict(title='FP', test='seeds', key='cam/FP'),
        fn=dict(title='FN', test='seeds', key='cam/FN'),
    ),
    rows=[
        dict(
            name=f'layers {13 - number} to 12',
            x=13 - number,
            test_options={'model.test_cfg.cam.grad_layers': number},
        )
        for number in range(12, 0, -1)
    ],
    plot=dict(xlabel='first layer'),
)
