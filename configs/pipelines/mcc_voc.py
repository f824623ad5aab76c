# PASCAL VOC 2012, tags to segmentation: MCC as released, tested on val at original size with three
# scales, flips and CRF.
title = 'MCC on PASCAL VOC 2012'
config = '{configs}/mcc_voc.py'
stages = [
    dict(name='training', tool='train.py', args=[config, '--work-dir', '{training}']),
    dict(
        name='test', tool='test.py', args=[config, '{training.checkpoint}', '--work-dir', '{test}']
    ),
    dict(
        name='tta_test',
        tool='test.py',
        args=[
            config,
            '{training.checkpoint}',
            '--work-dir',
            '{tta_test}',
            '--tta',
            '--crf',
            'toco_test',
            '--out',
            '{tta_test}/masks',
        ],
    ),
]
results = dict(cam='test', aux_cam='test', seg='tta_test', tags='test')
