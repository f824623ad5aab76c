# Tags to segmentation on the toy shapes in about six minutes: `make demo`. Masks by dense CRF,
# without the affinity network of mctformer_plus_toy.py; uncertain pixels are ignored in training.
# Random weights everywhere, nothing is downloaded.
_base_ = '../_base_/pipelines/toy.py'
title = 'MCTformer+ on toy shapes, the demo'
recipe = dict(
    type='multi_stage',
    toy=True,
    classifier='mctformer_plus_toy',
    segmentor='deeplabv3plus_r18_toy_pseudo',
    method='crf',
    uncertain=0.08,
    test_cams=True,
    seeds=None,
    crf='mct_test',
)
