# PASCAL VOC 2012: MCTformer-V2 in the released chain, whose script fixes the exponents of the
# labels, and the background score of the walk at 0.39.
_base_ = 'mctformer_plus_voc.py'
title = 'MCTformer-V2 on PASCAL VOC 2012'
recipe = dict(
    classifier='mctformer_v2_voc',
    label_sweep=None,
    mask_sweep=None,
    low_alpha=1,
    high_alpha=12,
    background=0.39,
)
