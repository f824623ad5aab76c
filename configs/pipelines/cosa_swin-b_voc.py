# CoSA-MS on PASCAL VOC 2012: CoSA's class maps of the training images, cut at 0.5, train UPerNet
# Swin-B. The authors released neither code nor recipe of this stage: the segmentation recipe is
# the one shared by all methods here. recipe.export=ensemble takes the maps of both classifiers.
_base_ = '../_base_/pipelines/voc12.py'
title = 'CoSA-MS with UPerNet Swin-B on PASCAL VOC 2012'
recipe = dict(
    type='single_stage_masks',
    network='cosa_voc',
    segmentor='upernet_swin-b_voc_pseudo',
    tta=True,
)
