# PASCAL VOC 2012, tags to segmentation: CoSA at the checkpoint that the validation chose, both the
# assignment network and the online one, by the protocol of the paper: the number without image tags
# first, the published one, filtered by them, beside it.
_base_ = '../_base_/pipelines/voc12.py'
title = 'CoSA on PASCAL VOC 2012'
recipe = dict(
    type='single_stage', network='cosa_voc', protocol='cosa-voc-val', best=True, online=True
)
