# PASCAL VOC 2012, tags to segmentation: MCTformer+ -> CAMs of train_aug -> dense CRF -> DeepLab-V1 ResNet-38 -> five scales and CRF.
# The released chain walks PSA affinities instead of the CRF of this pipeline; the background score is the best of the CAM sweep on train.
title = 'MCTformer+ on PASCAL VOC 2012'
data = 'data/VOCdevkit/VOC2012'
classifier = '{configs}/mctformer_plus_voc.py'
segmentor = '{configs}/deeplabv1_r38_voc_pseudo.py'
stages = [
    dict(name='classifier', tool='train.py', args=[classifier, '--work-dir', '{classifier}']),
    dict(name='cams', tool='generate_cams.py',
         args=[classifier, '{classifier.checkpoint}', '--split', 'train_aug', '--out', '{cams}', '--half']),
    dict(name='cam_eval', tool='evaluate_masks.py',
         args=['--gt', f'{data}/SegmentationClassAug', '--list', f'{data}/ImageSets/Segmentation/train.txt', '--cams', '{cams}',
               '--json', '{cam_eval}/metrics.json']),
    dict(name='masks', tool='refine_cams.py',
         args=['--cams', '{cams}', '--images', f'{data}/JPEGImages', '--out', '{masks}', '--method', 'crf',
               '--background', '{cam_eval:cam/best_threshold}']),
    dict(name='mask_eval', tool='evaluate_masks.py',
         args=['--gt', f'{data}/SegmentationClassAug', '--list', f'{data}/ImageSets/Segmentation/train.txt', '--masks', '{masks}',
               '--json', '{mask_eval}/metrics.json']),
    dict(name='segmentation', tool='train.py',
         args=[segmentor, '--work-dir', '{segmentation}', '--cfg-options',
               'train_dataloader.dataset.data_prefix.pseudo_mask_path={masks}']),
    dict(name='segmentation_test', tool='test.py',
         args=[segmentor, '{segmentation.checkpoint}', '--work-dir', '{segmentation_test}', '--tta', '--crf', 'mct_test',
               '--out', '{segmentation_test}/masks']),
]
results = dict(cam='cam_eval', mask='mask_eval', seg='segmentation_test')
