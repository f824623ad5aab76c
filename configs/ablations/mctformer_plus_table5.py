# MCTformer+, Table 5: parameters and multiply-adds at 224. Nothing is trained. The published
# ResNet-38 is the classification network of other methods; here it is DeepLab-V1's, whose head is
# larger. The published MACs of MCTformer are not readable in our copy of the paper.
grid = dict(
    title='MCTformer+, Table 5: parameters and multiply-adds',
    source='MCTformer+ (TPAMI 2024), Table 5',
    train=False,
    seeds=[0],
    tests=[
        dict(
            name='complexity',
            tool='analysis_tools/model_complexity.py',
            args=['{config}', '--size', '224', '224', '--json', '{here}/metrics.json'],
        )
    ],
    columns=dict(
        parameters=dict(title='parameters (M)', test='complexity', key='parameters'),
        macs=dict(title='MACs (G)', test='complexity', key='macs'),
    ),
    rows=[
        dict(
            name='ResNet38',
            base='{configs}/deeplabv1_r38_voc_pseudo.py',
            published=dict(parameters=104.3, macs=99.8),
        ),
        dict(
            name='MCTformer',
            base='{configs}/mctformer_v2_voc.py',
            published=dict(parameters=21.8),
        ),
        dict(name='MCTformer+', base='{configs}/mctformer_plus_voc.py'),
    ],
    plot=None,
)
