# PASCAL VOC 2012: MCTformer+ with IRN in place of PSA: labels from two thresholds and a CRF, the
# boundary head of IRN, its random walk, DeepLab-V2. The background score of the masks, 0.25, is
# that of IRN.
_base_ = '../_base_/pipelines/voc12.py'
title = 'MCTformer+ and IRN on PASCAL VOC 2012'
recipe = dict(
    type='multi_stage',
    classifier='mctformer_plus_voc',
    method='irn',
    affinity='irn_voc',
    segmentor='deeplabv2_r101_voc_pseudo',
    background=0.25,
    protocol='deeplabv2-voc-val',
)
