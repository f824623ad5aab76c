# mctformer_plus_msrc21.py with AReAM, whose maps are best cut a little higher
_base_ = 'mctformer_plus_msrc21.py'
title = 'AReAM on MSRC-21'
recipe = dict(classifier='msrc21/aream_msrc21', background=0.18)
