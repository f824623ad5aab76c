# PASCAL VOC 2012: ACR -> ACR* maps (not refined) and ACR maps (refined) of train_aug -> la/ha CRF
# of the ACR* maps -> PSA, which ACR's own maps would spoil because they over-activate -> random
# walk of PSA on the ACR maps -> DeepLab-V2 ResNet-101 -> five scales and CRF (specification section
# 3). PSA's settings are not given: those of MCTformer, and the background of the walk is the best
# of the seeds. `resnet38` is PSA's classifier of VOC, which PSA starts from; --cfg-options
# resnet38=FILE does not reach the stages, so put the file there or change the line.
title = 'ACR and PSA on PASCAL VOC 2012'
data = 'data/VOCdevkit/VOC2012'
resnet38 = 'weights/res38_cls.pth'
classifier = '{configs}/acr_voc.py'
affinity = '{configs}/psa_voc.py'
segmentor = '{configs}/deeplabv2_r101_voc_pseudo.py'
initial = [
    'model.backbone.init_cfg.type=Pretrained',
    f'model.backbone.init_cfg.checkpoint={resnet38}',
]
stages = [
    dict(name='classifier', tool='train.py', args=[classifier, '--work-dir', '{classifier}']),
    dict(
        name='cams_star',
        tool='generate_cams.py',
        args=[
            classifier,
            '{classifier.checkpoint}',
            '--split',
            'train_aug',
            '--out',
            '{cams_star}',
            '--half',
            '--no-refine',
        ],
    ),
    dict(
        name='cams',
        tool='generate_cams.py',
        args=[
            classifier,
            '{classifier.checkpoint}',
            '--split',
            'train_aug',
            '--out',
            '{cams}',
            '--half',
            '--refine',
        ],
    ),
    dict(
        name='cam_eval',
        tool='evaluate_masks.py',
        args=[
            '--gt',
            f'{data}/SegmentationClassAug',
            '--list',
            f'{data}/ImageSets/Segmentation/train.txt',
            '--cams',
            '{cams}',
            '--thresholds',
            '0:1:0.01',
            '--json',
            '{cam_eval}/metrics.json',
        ],
    ),
    dict(
        name='affinity_labels',
        tool='make_affinity_labels.py',
        args=[
            '--cams',
            '{cams_star}',
            '--images',
            f'{data}/JPEGImages',
            '--out',
            '{affinity_labels}',
            '--method',
            'psa',
            '--low-alpha',
            '1',
            '--high-alpha',
            '12',
        ],
    ),
    dict(
        name='affinity',
        tool='train.py',
        args=[
            affinity,
            '--work-dir',
            '{affinity}',
            '--cfg-options',
            'train_dataloader.dataset.data_prefix.affinity_path={affinity_labels}',
            *initial,
        ],
    ),
    dict(
        name='masks',
        tool='refine_cams.py',
        args=[
            '--cams',
            '{cams}',
            '--images',
            f'{data}/JPEGImages',
            '--out',
            '{masks}',
            '--method',
            'psa',
            '--config',
            affinity,
            '--checkpoint',
            '{affinity.checkpoint}',
            '--background',
            '{cam_eval:cam/best_threshold}',
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
            '--crf',
            'mct_test',
            '--out',
            '{segmentation_test}/masks',
        ],
    ),
]
results = dict(cam='cam_eval', mask='mask_eval', seg='segmentation_test')
