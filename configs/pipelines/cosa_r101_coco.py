# CoSA-MS on MS COCO 2014: CoSA's class maps of the training images, cut at 0.5, train DeepLab-V2
# ResNet-101. The authors released neither code nor recipe of this stage: the segmentation recipe is
# the one shared by all methods here. The maps of both classifiers instead of the main one:
# --cfg-options model.test_cfg.export=ensemble in the stage `masks`.
title = 'CoSA-MS with DeepLab-V2 ResNet-101 on MS COCO 2014'
data = 'data/coco14'
cosa = '{configs}/cosa_coco.py'
segmentor = '{configs}/deeplabv2_r101_coco_pseudo.py'
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
            'train',
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
            f'{data}/SegmentationClass',
            '--list',
            f'{data}/ImageSets/Segmentation/train.txt',
            '--masks',
            '{masks}',
            '--num-classes',
            '81',
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
