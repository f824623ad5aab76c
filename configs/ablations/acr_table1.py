# ACR, Tables 1 to 3: seeds without and with refinement, pseudo masks, segmentation. The whole
# chains. Test numbers of VOC come from its server (docs/reproduction.md).
grid = dict(
    title='ACR, Tables 1, 2 and 3: seeds, pseudo masks, segmentation',
    source='ACR (CVPR 2023), Table 1 (COCO), Table 2, Table 3 (column Val)',
    columns=dict(
        star=dict(title='seeds ACR*, train', test='star', key='cam/mIoU'),
        seed=dict(title='seeds ACR, train', test='cam_eval', key='cam/mIoU'),
        mask=dict(title='masks, train', test='mask_eval', key='mask/mIoU'),
        seg=dict(title='segmentation, val', test='segmentation_test', key='seg/mIoU'),
    ),
    rows=[
        dict(
            name='VOC',
            base='{configs}/pipelines/acr_voc.py',
            tests=[
                dict(
                    name='star',
                    args=['{configs}/acr_voc.py', '{classifier.checkpoint}']
                    + ['--work-dir', '{here}', '--protocol', 'acr-voc-train-cam']
                    + ['--cfg-options', 'model.test_cfg.refine=False'],
                )
            ],
            published=dict(star=59.4, seed=67.3, mask=70.8, seg=71.2),
        ),
        dict(
            name='COCO',
            base='{configs}/pipelines/acr_coco.py',
            tests=[],
            published=dict(seg=45.0),
        ),
    ],
)
