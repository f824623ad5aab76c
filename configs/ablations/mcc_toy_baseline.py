# Ablation of mcc_toy.py: classifiers and segmentation alone.
_base_ = ['../mcc_toy.py']
model = dict(loss_weights=dict(affinity=0.0, contrast=0.0))
