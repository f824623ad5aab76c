# AReAM, Figures 1 and 6: networks of 6 to 12 layers (the first ones of DeiT-S), without and with
# the affinity loss: maps as they are, refined by all layers, and by the last layer alone. The
# figures are pictures. Every layer is in layers.csv of the runs.
grid = dict(
    title='AReAM, Figures 1 and 6: depth of the network',
    base='{configs}/aream_voc.py',
    tests=[
        dict(
            name='layers',
            tool='analysis_tools/analyze_affinity.py',
            args=['{config}', '{checkpoint}', '--split', 'train', '--out', '{here}'],
        )
    ],
    columns=dict(
        unrefined=dict(title='not refined', test='layers', key='unrefined/mIoU'),
        mean=dict(title='all layers', test='layers', key='cam/mIoU'),
        last=dict(title='last layer', test='layers', key='last_layer/mIoU'),
    ),
    rows=[
        dict(
            name=f'{depth} layers, {name}',
            options={'model.backbone.depth': depth, 'model.affinity_weight': weight},
        )
        for depth in (6, 8, 10, 12)
        for name, weight in (('without AReAM', 0.0), ('with AReAM', 0.2))
    ],
)
