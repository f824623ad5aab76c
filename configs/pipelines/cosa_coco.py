# MS COCO 2014, tags to segmentation: CoSA at the checkpoint that the validation chose, both the
# assignment network and the online one, by the protocol of the paper: the number without image tags
# first, the published one, filtered by them, beside it.
_base_ = '../_base_/pipelines/coco14.py'
title = 'CoSA on MS COCO 2014'
recipe = dict(
    type='single_stage', network='cosa_coco', protocol='cosa-coco-val', best=True, online=True
)
