# Tags to segmentation on the toy shapes in one training run. Random weights, nothing is downloaded.
_base_ = '../_base_/pipelines/toy.py'
title = 'CoSA on toy shapes'
recipe = dict(type='single_stage', network='cosa_toy', toy=True)
