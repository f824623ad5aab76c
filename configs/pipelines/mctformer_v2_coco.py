# MS COCO 2014: MCTformer-V2 in the chain of MCTformer+.
_base_ = 'mctformer_plus_coco.py'
title = 'MCTformer-V2 on MS COCO 2014'
recipe = dict(classifier='mctformer_v2_coco')
