# Ablation of mcc_toy.py: with the affinity loss, without contrast.
_base_ = ['../mcc_toy.py']
model = dict(loss_weights=dict(contrast=0.0))
