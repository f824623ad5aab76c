# MS COCO 2014: the chain of acr_voc.py. OUR INFERENCE: PSA's settings are chosen on 2,000 masks
# of train.
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
    label_sweep=dict(low_alpha='1,2,3,4', high_alpha='8,12,16,24'),
    mask_sweep=dict(background='0.2:0.62:0.02', beta='4,8,16', log2_steps='4,5,6,8'),
    sweep_images=2000,
    protocol='deeplabv2-coco-val',
)
