# MS COCO 2014: the chain of acr_voc.py. OUR INFERENCE: PSA's settings are chosen on 2,000 masks
# of train.
_base_ = ['../_base_/pipelines/coco14.py', '../_base_/pipelines/psa_chosen.py']
title = 'ACR and PSA on MS COCO 2014'
recipe = dict(
    classifier='acr_coco',
    affinity='psa_coco',
    segmentor='deeplabv2_r101_coco_pseudo',
    unrefined_labels=True,
    thresholds='0:1:0.01',
    sweep_images=2000,
    protocol='deeplabv2-coco-val',
)
