# CoSA-MS on MS COCO 2014: CoSA's class maps of the training images, cut at 0.5, train DeepLab-V1
# ResNet-38. The authors released neither code nor recipe of this stage: the segmentation recipe
# is the one shared by all methods here. recipe.export=ensemble takes the maps of both
# classifiers.
_base_ = '../_base_/pipelines/coco14.py'
title = 'CoSA-MS with DeepLab-V1 ResNet-38 on MS COCO 2014'
recipe = dict(
    type='single_stage_masks',
    network='cosa_coco',
    segmentor='deeplabv1_r38_coco_pseudo',
    initial='{resnet38}',
    protocol='mctformer-coco-val',
)
