# Table III, second row: with the affinity loss, without contrast; published 67.1 on val with three
# scales.
_base_ = ['../mcc_voc.py']
model = dict(loss_weights=dict(contrast=0.0))
