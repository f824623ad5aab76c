# PASCAL VOC 2012: ACR -> ACR* maps (not refined) and ACR maps (refined) of train_aug -> la/ha CRF
# of the ACR* maps -> PSA, which ACR's own maps would spoil because they over-activate -> random
# walk of PSA on the ACR maps -> DeepLab-V2 ResNet-101, tested by its own protocol (one view, CRF).
# PSA's settings are not given: they are chosen on the masks of train.
_base_ = ['../_base_/pipelines/voc12.py', '../_base_/pipelines/psa_chosen.py']
title = 'ACR and PSA on PASCAL VOC 2012'
recipe = dict(
    classifier='acr_voc',
    affinity='psa_voc',
    segmentor='deeplabv2_r101_voc_pseudo',
    unrefined_labels=True,
    thresholds='0:1:0.01',
    protocol='deeplabv2-voc-val',
)
