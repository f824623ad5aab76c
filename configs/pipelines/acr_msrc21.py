# mctformer_plus_msrc21.py with ACR, whose maps are best cut at 0.6
_base_ = 'mctformer_plus_msrc21.py'
title = 'ACR on MSRC-21'
recipe = dict(classifier='msrc21/acr_msrc21', background=0.65)
