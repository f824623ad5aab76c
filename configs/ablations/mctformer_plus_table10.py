# MCTformer+, Table 10: pooling, contrast of class tokens (CCT), size of the training images. The
# check marks of the table are not readable in our copy; which row has CCT follows from Table 11 at
# 448 and is the order of the paper.
small = {
    'model.backbone.img_size': 224,
    'train_dataloader.dataset.pipeline.1.scale': 224,
}
gap, plain = {'model.patch_head.pooling': 'gap'}, {'model.contrast_weight': 0.0}
grid = dict(
    title='MCTformer+, Table 10: pooling, CCT and training size',
    source='MCTformer+ (TPAMI 2024), Table 10',
    base='{configs}/mctformer_plus_voc.py',
    tests=[dict(name='seeds', args=['--protocol', 'mctformer-plus-voc-train-cam'])],
    columns=dict(seed=dict(title='seeds, train', test='seeds', key='cam/mIoU')),
    rows=[
        dict(name='GAP, 224', options={**gap, **plain, **small}, published=dict(seed=63.2)),
        dict(name='GAP, 448', options={**gap, **plain}, published=dict(seed=63.6)),
        dict(name='GAP, CCT, 224', options={**gap, **small}, published=dict(seed=64.5)),
        dict(name='GAP, CCT, 448', options=gap, published=dict(seed=66.1)),
        dict(name='GWRP, 224', options={**plain, **small}, published=dict(seed=64.8)),
        dict(name='GWRP, 448', options=plain, published=dict(seed=65.9)),
        dict(name='GWRP, CCT, 224', options=small, published=dict(seed=65.8)),
        dict(name='GWRP, CCT, 448', published=dict(seed=68.8)),
    ],
)
