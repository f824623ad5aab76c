# Tags to segmentation on MSRC-21 photographs with small networks from random weights: MCTformer+ ->
# CAMs -> la/ha CRF -> PSA -> random walk -> CRF -> DeepLab -> test with scales and CRF. Three
# quarters of an hour on two CPU cores. The stages par and crf make masks that are only evaluated,
# to compare.
_base_ = '../_base_/pipelines/msrc21.py'
title = 'MCTformer+ on MSRC-21'
recipe = dict(
    type='multi_stage',
    classifier='msrc21/mctformer_plus_msrc21',
    affinity='msrc21/psa_msrc21',
    segmentor='msrc21/deeplabv3plus_lite0_msrc21_pseudo',
    test_cams=True,
    seeds='seeds',
    compare=('par', 'crf'),
    background='{classifier:cam/best_threshold}',
    then_crf=True,
    tta=True,
    crf='mct_test',
)
