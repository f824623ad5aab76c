# ACR on the toy shapes: PSA is trained on ACR* maps (not refined) and walks the ACR maps (refined).
# Random weights, nothing is downloaded.
_base_ = '../_base_/pipelines/toy.py'
title = 'ACR and PSA on toy shapes'
recipe = dict(
    type='multi_stage',
    toy=True,
    classifier='acr_toy',
    affinity='psa_toy',
    segmentor='deeplabv3plus_r18_toy_pseudo',
    test_cams=True,
    unrefined_labels=True,
    seeds=None,
)
