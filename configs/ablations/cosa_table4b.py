# CoSA, Table 4 (b): contrastive separation and classes that occur together. Which classes C-mIoU is
# over is not published; ours are those of the authors' figures, so that the absolute numbers cannot
# be compared. C-mIoU here is of the segmentation, the authors' of the maps.
grid = dict(
    title='CoSA, Table 4 (b): contrastive separation',
    source='CoSA (ECCV 2024), Table 4 (b)',
    base='{configs}/cosa-paper_voc.py',
    tests=[
        dict(name='cam', args=['--protocol', 'cosa-voc-val-cam']),
        dict(name='seg'),
    ],
    columns=dict(
        cam=dict(title='maps, val', test='cam', key='cam/mIoU'),
        coexist=dict(title='C-mIoU of the segmentation, val', test='seg', key='seg/mIoU_coexist'),
    ),
    rows=[
        dict(
            name='without CSC',
            options={'model.loss_weights.separation': 0.0},
            published=dict(cam=67.82),
        ),
        dict(name='with CSC', published=dict(cam=76.37)),
    ],
)
