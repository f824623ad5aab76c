# PASCAL VOC 2012: AReAM with DeepLab-V2 on ResNet-101 (Table IV of the paper), tested by the
# protocol of that network.
_base_ = 'aream_voc.py'
title = 'AReAM and DeepLab-V2 on PASCAL VOC 2012'
recipe = dict(
    segmentor='deeplabv2_r101_voc_pseudo', initial_segmentor=False, protocol='deeplabv2-voc-val'
)
