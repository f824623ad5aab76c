# PASCAL VOC 2012: MCTformer-V2 in the released chain, for which its script fixes the background
# score of the walk at 0.39.
_base_ = 'mctformer_plus_voc.py'
title = 'MCTformer-V2 on PASCAL VOC 2012'
recipe = dict(classifier='mctformer_v2_voc', background=0.39)
