# MS COCO 2014: the chain of VOC. OUR INFERENCE: nothing is released for COCO; PSA and DeepLab-V1
# train as many epochs as on VOC, and start from PSA's classifier of VOC; their settings
# are chosen on 2,000 masks of train.
_base_ = ['../_base_/pipelines/coco14.py', '../_base_/pipelines/psa_chosen.py']
title = 'MCTformer+ on MS COCO 2014'
recipe = dict(
    classifier='mctformer_plus_coco',
    affinity='psa_coco',
    segmentor='deeplabv1_r38_coco_pseudo',
    initial_segmentor=True,
    sweep_images=2000,
    protocol='mctformer-coco-val',
)
