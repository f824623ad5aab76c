# PASCAL VOC 2012: AReAM in the chain of MCTformer+. The maps are also refined by PAR, a side line
# that ends with its mIoU on train (Table I of the paper).
_base_ = 'mctformer_plus_voc.py'
title = 'AReAM, PAR and PSA on PASCAL VOC 2012'
recipe = dict(classifier='aream_voc', thresholds='0:0.8:0.01', compare=('par',), par_rule='eq16')
