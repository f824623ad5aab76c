# Tags to segmentation on MSRC-21 with small networks on a frozen ImageNet trunk: MCTformer+ ->
# CAMs -> PAR -> DeepLab -> test with scales and CRF, on a CPU. Mask mIoU of val, one seed: PAR at
# 0.15 59.8, CRF at 0.02 59.0, the maps themselves 53.5.
_base_ = '../_base_/pipelines/msrc21.py'
title = 'MCTformer+ on MSRC-21'
recipe = dict(
    type='multi_stage',
    classifier='msrc21/mctformer_plus_msrc21',
    segmentor='msrc21/deeplabv3plus_lite0_msrc21_pseudo',
    method='par',
    test_cams=True,
    seeds='seeds',
    background=0.15,
    tta=True,
    crf='mct_test',
)
