# Tags to segmentation on the toy shapes, all stages of the method: CAMs -> la/ha CRF -> PSA ->
# random walk -> CRF -> DeepLab -> test with scales and CRF. Nine minutes on two CPU cores; random
# weights everywhere, nothing is downloaded.
_base_ = '../_base_/pipelines/toy.py'
title = 'MCTformer+ on toy shapes'
recipe = dict(
    type='multi_stage',
    toy=True,
    classifier='mctformer_plus_toy',
    affinity='psa_toy',
    segmentor='deeplabv3plus_r18_toy_pseudo',
    test_cams=True,
    seeds='seeds',
    background='{classifier:cam/best_threshold}',
    then_crf=True,
    tta=True,
    crf='mct_test',
)
