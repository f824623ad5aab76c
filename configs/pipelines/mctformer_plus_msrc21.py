# Tags to segmentation on MSRC-21 with small networks on a frozen ImageNet trunk: MCTformer+ ->
# CAMs -> CRF -> DeepLab -> test with scales and CRF, on a CPU. The stage par makes masks that are
# only evaluated, to compare.
_base_ = '../_base_/pipelines/msrc21.py'
title = 'MCTformer+ on MSRC-21'
recipe = dict(
    type='multi_stage',
    classifier='msrc21/mctformer_plus_msrc21',
    segmentor='msrc21/deeplabv3plus_lite0_msrc21_pseudo',
    method='crf',
    test_cams=True,
    seeds='seeds',
    compare=('par',),
    background='{classifier:cam/best_threshold}',
    tta=True,
    crf='mct_test',
)
