# Tags to segmentation on the toy shapes in one training run. Random weights, nothing is downloaded.
title = 'CoSA on toy shapes'
data = 'data/toy_shapes'
classes = ('background', 'kite', 'boat', 'lamp', 'tree', 'robot', 'fish', 'car', 'house')
config = '{configs}/cosa_toy.py'
stages = [
    dict(name='data', tool='dataset_converters/toy_shapes.py', args=['--out', data], always=True),
    dict(name='training', tool='train.py', args=[config, '--work-dir', '{training}']),
    dict(
        name='cams',
        tool='generate_cams.py',
        args=[config, '{training.checkpoint}', '--split', 'test', '--out', '{cams}', '--half'],
    ),
    dict(
        name='test',
        tool='test.py',
        args=[config, '{training.checkpoint}', '--work-dir', '{test}', '--out', '{test}/masks'],
    ),
]
results = dict(cam='test', aux_cam='test', seg='test', tags='test')
report = dict(
    samples=dict(
        list=f'{data}/ImageSets/Segmentation/test.txt',
        images=f'{data}/JPEGImages',
        tags=f'{data}/image_tags.csv',
        gt=f'{data}/SegmentationClass',
        cams='{cams}',
        seg='{test}/masks',
        classes=classes,
        num=12,
    )
)
