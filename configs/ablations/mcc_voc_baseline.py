# Table III, first row: classifiers and segmentation alone; published 55.7 on val with three scales.
_base_ = ['../mcc_voc.py']
model = dict(loss_weights=dict(affinity=0.0, contrast=0.0))
