# CoSA-MS on PASCAL VOC 2012: CoSA's class maps of the training images, cut at 0.5, train UPerNet
# Swin-B. The authors released neither code nor recipe of this stage: the segmentation recipe is the
# one shared by all methods here. The maps of both classifiers instead of the main one:
# --cfg-options model.test_cfg.export=ensemble in the stage `masks`.
title = 'CoSA-MS with UPerNet Swin-B on PASCAL VOC 2012'
data = 'data/VOCdevkit/VOC2012'
cosa = '{configs}/cosa_voc.py'
segmentor = '{configs}/upernet_swin-b_voc_pseudo.py'
stages = [
    dict(name='training', tool='train.py', args=[cosa, '--work-dir', '{training}']),
    dict(name='test', tool='test.py', args=[cosa, '{training.checkpoint}', '--work-dir', '{test}']),
    dict(
        name='masks',
        tool='generate_cams.py',
        args=[
            cosa,
            '{training.checkpoint}',
            '--split',
            'train_aug',
            '--out',
            '{masks}',
            '--masks',
            '0.5',
            '--cfg-options',
            'model.test_cfg.export=main',
        ],
    ),
    dict(
        name='mask_eval',
        tool='evaluate_masks.py',
        args=[
            '--gt',
            f'{data}/SegmentationClassAug',
            '--list',
            f'{data}/ImageSets/Segmentation/train.txt',
            '--masks',
            '{masks}',
            '--json',
            '{mask_eval}/metrics.json',
        ],
    ),
    dict(
        name='segmentation',
        tool='train.py',
        args=[
            segmentor,
            '--work-dir',
            '{segmentation}',
            '--cfg-options',
            'train_dataloader.dataset.data_prefix.pseudo_mask_path={masks}',
        ],
    ),
    dict(
        name='segmentation_test',
        tool='test.py',
        args=[
            segmentor,
            '{segmentation.checkpoint}',
            '--work-dir',
            '{segmentation_test}',
            '--tta',
            '--out',
            '{segmentation_test}/masks',
        ],
    ),
]
results = dict(cam='test', aux_cam='test', mask='mask_eval', seg='segmentation_test')
