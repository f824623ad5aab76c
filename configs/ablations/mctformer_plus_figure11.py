# MCTformer+, Figure 11: layers, from the last, whose class tokens are contrasted. The figure is a
# picture; the ends are in the text.
published = {1: dict(seed=64.8), 12: dict(seed=68.8)}
layers = (1, 2, 4, 6, 8, 10, 12)
grid = dict(
    title='MCTformer+, Figure 11: layers with contrast of class tokens',
    source='MCTformer+ (TPAMI 2024), section 4.5 (text on Figure 11)',
    base='{configs}/mctformer_plus_voc.py',
    tests=[dict(name='seeds', args=['--protocol', 'mctformer-plus-voc-train-cam'])],
    columns=dict(seed=dict(title='seeds, train', test='seeds', key='cam/mIoU')),
    rows=[
        dict(
            name=f'T = {number}',
            x=number,
            options={'model.contrast_loss.num_layers': number},
            published=published.get(number, {}),
        )
        for number in layers
    ],
    plot=dict(xlabel='T'),
)
