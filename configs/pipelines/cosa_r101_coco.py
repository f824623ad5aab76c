# CoSA-MS on MS COCO 2014: CoSA's class maps of the training images, cut at 0.5, train DeepLab-V2
# ResNet-101. The authors released neither code nor recipe of this stage: the segmentation recipe
# is the one shared by all methods here. recipe.export=ensemble takes the maps of both
# classifiers.
_base_ = '../_base_/pipelines/coco14.py'
title = 'CoSA-MS with DeepLab-V2 ResNet-101 on MS COCO 2014'
recipe = dict(
    type='single_stage_masks',
    network='cosa_coco',
    segmentor='deeplabv2_r101_coco_pseudo',
    protocol='deeplabv2-coco-val',
)
