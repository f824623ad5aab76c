# AReAM, Table III: maps refined by the mean affinity of the first K layers, without and with the
# affinity loss. Two trainings. The published row with AReAM includes PAR (its last value is that of
# Table I with PAR), ours does not.
without = (51.7, 63.5, 64.3, 64.5, 65.0, 65.3, 66.1, 66.0, 66.1, 66.1, 66.1, 65.9)
learned = (56.7, 64.1, 64.6, 64.8, 65.4, 66.0, 67.0, 67.4, 68.2, 68.6, 69.1, 69.2)
grid = dict(
    title='AReAM, Table III: mean affinity of the first K layers',
    source='AReAM (arXiv 2305.03112v2), Table III',
    base='{configs}/aream_voc.py',
    tests=[
        dict(
            name='layers',
            tool='analysis_tools/analyze_affinity.py',
            args=['{config}', '{checkpoint}', '--split', 'train', '--out', '{here}'],
        )
    ],
    columns={
        f'first_{number}': dict(title=f'K = {number}', test='layers', key=f'first_{number}/mIoU')
        for number in range(1, 13)
    },
    rows=[
        dict(
            name='without AReAM',
            options={'model.affinity_weight': 0.0},
            published={f'first_{number}': value for number, value in enumerate(without, 1)},
        ),
        dict(
            name='with AReAM',
            published={f'first_{number}': value for number, value in enumerate(learned, 1)},
        ),
    ],
    plot=None,
)
