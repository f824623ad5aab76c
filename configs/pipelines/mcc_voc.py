# PASCAL VOC 2012, tags to segmentation: MCC as released, tested on val at original size with three
# scales, flips and CRF.
_base_ = '../_base_/pipelines/voc12.py'
title = 'MCC on PASCAL VOC 2012'
recipe = dict(type='single_stage', network='mcc_voc', tta=True, crf='toco_test')
