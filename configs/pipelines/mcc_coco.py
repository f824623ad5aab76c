# MS COCO 2014, tags to segmentation: MCC as released, tested on val at 448 x 448 with three
# scales, flips and CRF.
_base_ = '../_base_/pipelines/coco14.py'
title = 'MCC on MS COCO 2014'
recipe = dict(type='single_stage', network='mcc_coco', tta=True, crf='toco_test')
