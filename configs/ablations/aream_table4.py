# AReAM, Table IV: segmentation networks trained on its pseudo masks. The test number of VOC comes
# from its server (docs/reproduction.md). The text gives 44.8 for ResNet-38 on COCO, the table 45.1.
grid = dict(
    title='AReAM, Table IV: segmentation',
    source='AReAM (arXiv 2305.03112v2), Table IV',
    columns=dict(seg=dict(title='val', test='segmentation_test', key='seg/mIoU')),
    rows=[
        dict(
            name='VOC, DeepLab-V2 ResNet-101',
            base='{configs}/pipelines/aream_r101_voc.py',
            published=dict(seg=73.3),
        ),
        dict(
            name='VOC, DeepLab-V1 ResNet-38',
            base='{configs}/pipelines/aream_voc.py',
            published=dict(seg=73.7),
        ),
        dict(
            name='COCO, DeepLab-V2 ResNet-101',
            base='{configs}/pipelines/aream_coco.py',
            pipeline_options={
                'recipe.segmentor': 'deeplabv2_r101_coco_pseudo',
                'recipe.initial_segmentor': False,
                'recipe.protocol': 'deeplabv2-coco-val',
            },
            published=dict(seg=44.8),
        ),
        dict(
            name='COCO, DeepLab-V1 ResNet-38',
            base='{configs}/pipelines/aream_coco.py',
            published=dict(seg=45.1),
        ),
    ],
)
