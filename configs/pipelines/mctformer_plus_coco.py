# MS COCO 2014: the chain of VOC. OUR INFERENCE: nothing is released for COCO; PSA and DeepLab-V1
# train as many epochs as on VOC, and start from PSA's classifier of VOC; their settings
# are chosen on 2,000 masks of train.
_base_ = '../_base_/pipelines/coco14.py'
title = 'MCTformer+ on MS COCO 2014'
recipe = dict(
    type='multi_stage',
    classifier='mctformer_plus_coco',
    affinity='psa_coco',
    segmentor='deeplabv1_r38_coco_pseudo',
    initial='{resnet38}',
    initial_segmentor=True,
    label_sweep=dict(low_alpha='1,2,3,4', high_alpha='8,12,16,24'),
    mask_sweep=dict(background='0.2:0.62:0.02', beta='4,8,16', log2_steps='4,5,6,8'),
    sweep_images=2000,
    protocol='mctformer-coco-val',
)
