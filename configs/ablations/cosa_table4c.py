# CoSA, Table 4 (c): images per second with and without CRF. Nothing is trained. Published are
# speeds on an RTX 3090; those of CoSA-ViT are not readable in our copy of the paper.
grid = dict(
    title='CoSA, Table 4 (c): speed',
    source='CoSA (ECCV 2024), Table 4 (c), CoSA-R101 on an RTX 3090',
    train=False,
    seeds=[0],
    tests=[
        dict(
            name='speed',
            tool='analysis_tools/model_complexity.py',
            args=['{config}', '--size', '375', '500', '--repeats', '10', '--crf', 'cosa_test']
            + ['--json', '{here}/metrics.json'],
        )
    ],
    columns=dict(
        plain=dict(title='images/s', test='speed', key='images_per_s', digits=2),
        crf=dict(title='images/s with CRF', test='speed', key='images_per_s_crf', digits=2),
    ),
    rows=[
        dict(
            name='CoSA-R101',
            base='{configs}/deeplabv2_r101_voc_pseudo.py',
            published=dict(crf=2.36, plain=9.60),
        ),
        dict(name='CoSA-ViT', base='{configs}/cosa_voc.py'),
    ],
    plot=None,
)
