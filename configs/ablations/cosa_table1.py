# CoSA, Table 1: the network itself, without and with CRF, and networks trained on its maps (MS).
# Published numbers of val use the tags of the image: compare the second column. The published
# checkpoint is the best on val of two networks; ours is the last of the average.
grid = dict(
    title='CoSA, Table 1: segmentation',
    source='CoSA (ECCV 2024), Table 1',
    columns=dict(
        seg=dict(title='without tags, val', test='test', key='seg/mIoU'),
        tags=dict(title='with tags, val', test='test', key='seg/mIoU_image_tags'),
    ),
    rows=[
        dict(
            name=f'ViT-B{name}, {data.upper()}',
            base=f'{{configs}}/cosa_{data}.py',
            tests=[dict(name='test', args=['--protocol', f'cosa-{data}-val{suffix}'])],
            published=dict(tags=value),
        )
        for name, suffix, data, value in (
            ('', '', 'voc', 76.2),
            (' with CRF', '-crf', 'voc', 76.4),
            ('', '', 'coco', 51.0),
            (' with CRF', '-crf', 'coco', 51.1),
        )
    ]
    + [
        dict(
            name=f'MS {network}, {data.upper()}',
            base=f'{{configs}}/pipelines/cosa_{config}_{data}.py',
            tests=[],
            keys=dict(seg='segmentation_test:seg/mIoU', tags='segmentation_test:seg/mIoU'),
            published=dict(tags=value),
        )
        for network, config, data, value in (
            ('ResNet-101', 'r101', 'voc', 76.5),
            ('ResNet-101', 'r101', 'coco', 50.9),
            ('ResNet-38', 'r38', 'voc', 76.6),
            ('ResNet-38', 'r38', 'coco', 50.1),
            ('Swin', 'swin-b', 'voc', 81.4),
            ('Swin', 'swin-b', 'coco', 53.7),
        )
    ],
)
