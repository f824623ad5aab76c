# MS COCO 2014: the chain of VOC. OUR INFERENCE: nothing is released for COCO; PSA and DeepLab-V1
# train as many epochs as on VOC, and start from PSA's classifier of VOC.
_base_ = '../_base_/pipelines/coco14.py'
title = 'MCTformer+ on MS COCO 2014'
recipe = dict(
    type='multi_stage',
    classifier='mctformer_plus_coco',
    affinity='psa_coco',
    segmentor='deeplabv1_r38_coco_pseudo',
    initial='{resnet38}',
    initial_segmentor=True,
    low_alpha=1,
    high_alpha=12,
    protocol='mctformer-coco-val',
)
