# MS COCO 2014: AReAM in the chain of MCTformer+, with PAR as a side line.
_base_ = 'mctformer_plus_coco.py'
title = 'AReAM, PAR and PSA on MS COCO 2014'
recipe = dict(classifier='aream_coco', thresholds='0:0.8:0.01', compare=('par',), par_rule='eq16')
