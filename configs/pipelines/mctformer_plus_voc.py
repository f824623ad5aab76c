# PASCAL VOC 2012, the released chain: MCTformer+ -> CAMs of train_aug -> la/ha CRF -> PSA -> random
# walk -> DeepLab-V1 ResNet-38 -> five scales and CRF. `resnet38` is PSA's classifier of VOC, which
# both ResNet-38 start from; --cfg-options resnet38=FILE does not reach the stages, so put the file
# there or change the line. Background of the walk: 0.39, the constant of the released script.
title = 'MCTformer+ on PASCAL VOC 2012'
data = 'data/VOCdevkit/VOC2012'
resnet38 = 'weights/res38_cls.pth'
classifier = '{configs}/mctformer_plus_voc.py'
affinity = '{configs}/psa_voc.py'
segmentor = '{configs}/deeplabv1_r38_voc_pseudo.py'
initial = [
    'model.backbone.init_cfg.type=Pretrained',
    f'model.backbone.init_cfg.checkpoint={resnet38}',
]
stages = [
    dict(name='classifier', tool='train.py', args=[classifier, '--work-dir', '{classifier}']),
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
            '--json',
            '{cam_eval}/metrics.json',
        ],
    ),
    dict(
        name='affinity_labels',
        tool='make_affinity_labels.py',
        args=[
            '--cams',
            '{cams}',
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
            '0.39',
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
            *initial,
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
