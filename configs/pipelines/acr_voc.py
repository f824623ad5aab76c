# PASCAL VOC 2012: ACR -> ACR* maps (not refined) and ACR maps (refined) of train_aug -> la/ha CRF
# of the ACR* maps -> PSA, which ACR's own maps would spoil because they over-activate -> random
# walk of PSA on the ACR maps -> DeepLab-V2 ResNet-101, tested by its own protocol (one view, CRF).
# PSA's settings are not given: they are chosen on the masks of train.
_base_ = '../_base_/pipelines/voc12.py'
title = 'ACR and PSA on PASCAL VOC 2012'
recipe = dict(
    type='multi_stage',
    classifier='acr_voc',
    affinity='psa_voc',
    segmentor='deeplabv2_r101_voc_pseudo',
    unrefined_labels=True,
    initial='{resnet38}',
    thresholds='0:1:0.01',
    label_sweep=dict(low_alpha='1,2,3,4', high_alpha='8,12,16,24'),
    mask_sweep=dict(background='0.2:0.62:0.02', beta='4,8,16', log2_steps='4,5,6,8'),
    protocol='deeplabv2-voc-val',
)
