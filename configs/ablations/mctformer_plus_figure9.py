# MCTformer+, Figure 9: class attention of the last K layers of MCTformer without patch CAM. One
# training, twelve tests. The figure is a picture; only K = 3 is in the text.
layers = list(range(1, 13))
grid = dict(
    title='MCTformer+, Figure 9: number of layers of class attention',
    source='MCTformer+ (TPAMI 2024), section 4.4 (text on Figure 9)',
    base='{configs}/mctformer_v1_voc.py',
    options={'model.test_cfg.refine': False},
    tests=[dict(name='seeds', args=['--protocol', 'mctformer-voc-train-cam'])],
    columns=dict(
        seed=dict(title='mIoU', test='seeds', key='cam/mIoU'),
        fp=dict(title='FP', test='seeds', key='cam/FP'),
        fn=dict(title='FN', test='seeds', key='cam/FN'),
    ),
    rows=[
        dict(
            name=f'K = {number}',
            x=number,
            test_options={'model.test_cfg.attention_layers': number},
            published=dict(seed=47.2) if number == 3 else {},
        )
        for number in layers
    ],
    plot=dict(xlabel='K'),
)
