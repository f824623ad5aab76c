# MCTformer+, Tables 1 to 3: seeds and pseudo masks on train, segmentation on val. The chains as
# released, from tags to a tested network. Test numbers come from the VOC server
# (docs/reproduction.md).
grid = dict(
    title='MCTformer+, Tables 1, 2 and 3: seeds, pseudo masks, segmentation',
    source='MCTformer+ (TPAMI 2024), Table 1, rows MCTformer and MCTformer+; Table 3, column Val',
    columns=dict(
        seed=dict(title='seeds, train', test='cam_eval', key='cam/mIoU'),
        mask=dict(title='masks, train', test='mask_eval', key='mask/mIoU'),
        seg=dict(title='segmentation, val', test='segmentation_test', key='seg/mIoU'),
    ),
    rows=[
        dict(
            name='MCTformer, VOC',
            base='{configs}/pipelines/mctformer_v2_voc.py',
            published=dict(seed=61.7, mask=69.1, seg=71.9),
        ),
        dict(
            name='MCTformer+, VOC',
            base='{configs}/pipelines/mctformer_plus_voc.py',
            published=dict(seed=68.8, mask=76.2, seg=74.0),
        ),
        dict(
            name='MCTformer, COCO',
            base='{configs}/pipelines/mctformer_v2_coco.py',
            published=dict(seed=36.6, mask=41.6),
        ),
        dict(
            name='MCTformer+, COCO',
            base='{configs}/pipelines/mctformer_plus_coco.py',
            published=dict(seed=42.8, mask=48.1, seg=45.2),
        ),
        # anchors of the last stage alone, deeplabv1_r38_voc_pseudo_as-released.py
        dict(
            name='segmentation network as released, on ground-truth masks, VOC',
            reference=True,
            source="report of a user of the authors' code (MCTformer, issue 31)",
            published=dict(seg=76.4),
        ),
        dict(
            name="segmentation network as released, on the authors' masks, VOC",
            reference=True,
            source="report of a user of the authors' code (MCTformer, issue 26)",
            published=dict(seg=71.1),
        ),
    ],
)
