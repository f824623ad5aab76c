# Tags to segmentation on the toy shapes with AReAM: maps, the same refined by PAR (a side line that
# ends with its mIoU), CRF labels, PSA and its random walk for the masks. Random weights everywhere,
# nothing is downloaded.
_base_ = '../_base_/pipelines/toy.py'
title = 'AReAM, PAR and PSA on toy shapes'
recipe = dict(
    type='multi_stage',
    toy=True,
    classifier='aream_toy',
    affinity='psa_toy',
    segmentor='deeplabv3plus_r18_toy_pseudo',
    test_cams=True,
    seeds=None,
    compare=('par',),
    par_rule='eq16',
)
