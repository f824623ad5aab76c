# MS COCO 2014: the chain of acr_voc.py. OUR INFERENCE: PSA keeps its settings of VOC.
_base_ = '../_base_/pipelines/coco14.py'
title = 'ACR and PSA on MS COCO 2014'
recipe = dict(
    type='multi_stage',
    classifier='acr_coco',
    affinity='psa_coco',
    segmentor='deeplabv2_r101_coco_pseudo',
    unrefined_labels=True,
    initial='{resnet38}',
    thresholds='0:1:0.01',
    low_alpha=1,
    high_alpha=12,
    protocol='deeplabv2-coco-val',
)
