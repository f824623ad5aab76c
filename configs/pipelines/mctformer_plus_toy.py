# Tags to segmentation on the toy shapes, all stages of the method: CAMs -> la/ha CRF -> PSA -> random walk -> CRF -> DeepLab -> test with
# scales and CRF. Nine minutes on two CPU cores; random weights everywhere, nothing is downloaded.
title = 'MCTformer+ on toy shapes'
data = 'data/toy_shapes'
classes = ('background', 'kite', 'boat', 'lamp', 'tree', 'robot', 'fish', 'car', 'house')
classifier = '{configs}/mctformer_plus_toy.py'
affinity = '{configs}/psa_toy.py'
segmentor = '{configs}/deeplabv3plus_r18_toy_pseudo.py'
stages = [
    dict(name='data', tool='dataset_converters/toy_shapes.py', args=['--out', data], always=True),
    dict(name='classifier', tool='train.py', args=[classifier, '--work-dir', '{classifier}']),
    dict(name='cam_test', tool='test.py',
         args=[classifier, '{classifier.checkpoint}', '--work-dir', '{cam_test}', '--out', '{cam_test}/cams']),
    dict(name='cams', tool='generate_cams.py',
         args=[classifier, '{classifier.checkpoint}', '--split', 'train', '--out', '{cams}', '--half']),
    dict(name='affinity_labels', tool='make_affinity_labels.py',
         args=['--cams', '{cams}', '--images', f'{data}/JPEGImages', '--out', '{affinity_labels}', '--method', 'psa',
               '--classes', f'{data}/classes.txt']),
    dict(name='affinity', tool='train.py',
         args=[affinity, '--work-dir', '{affinity}', '--cfg-options',
               'train_dataloader.dataset.data_prefix.affinity_path={affinity_labels}']),
    dict(name='masks', tool='refine_cams.py',
         args=['--cams', '{cams}', '--images', f'{data}/JPEGImages', '--out', '{masks}', '--method', 'psa', '--then-crf',
               '--config', affinity, '--checkpoint', '{affinity.checkpoint}', '--background', '{classifier:cam/best_threshold}',
               '--classes', f'{data}/classes.txt']),
    dict(name='seeds', tool='evaluate_masks.py',
         args=['--gt', f'{data}/SegmentationClass', '--list', f'{data}/ImageSets/Segmentation/train.txt', '--cams', '{cams}',
               '--classes', f'{data}/classes.txt', '--json', '{seeds}/metrics.json']),
    dict(name='mask_eval', tool='evaluate_masks.py',
         args=['--gt', f'{data}/SegmentationClass', '--list', f'{data}/ImageSets/Segmentation/train.txt', '--masks', '{masks}',
               '--classes', f'{data}/classes.txt', '--json', '{mask_eval}/metrics.json']),
    dict(name='segmentation', tool='train.py',
         args=[segmentor, '--work-dir', '{segmentation}', '--cfg-options',
               'train_dataloader.dataset.data_prefix.pseudo_mask_path={masks}']),
    dict(name='segmentation_test', tool='test.py',
         args=[segmentor, '{segmentation.checkpoint}', '--work-dir', '{segmentation_test}', '--tta', '--crf', 'mct_test',
               '--out', '{segmentation_test}/masks']),
]
results = dict(seed='seeds', cam='cam_test', mask='mask_eval', seg='segmentation_test')
report = dict(samples=dict(
    list=f'{data}/ImageSets/Segmentation/test.txt', images=f'{data}/JPEGImages', tags=f'{data}/image_tags.csv',
    gt=f'{data}/SegmentationClass', cams='{cam_test}/cams', seg='{segmentation_test}/masks', classes=classes, num=12))
