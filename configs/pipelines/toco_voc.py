# PASCAL VOC 2012, tags to segmentation: ToCo as released, tested on val at original size with three
# scales, flips and CRF.
_base_ = '../_base_/pipelines/voc12.py'
title = 'ToCo on PASCAL VOC 2012'
recipe = dict(type='single_stage', network='toco_voc', tta=True, crf='toco_test')
