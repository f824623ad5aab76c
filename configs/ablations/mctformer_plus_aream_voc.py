# MCTformer+ with AReAM: the contrast of class tokens, data and maps of MCTformer+, and the affinity
# loss on top.
_base_ = ['../mctformer_plus_voc.py']
model = dict(type='mmwsss.AReAM', affinity_weight=0.2, affinity_start=8)
