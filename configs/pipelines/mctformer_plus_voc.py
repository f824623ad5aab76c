# PASCAL VOC 2012, the released chain: MCTformer+ -> CAMs of train_aug -> la/ha CRF -> PSA -> random
# walk -> DeepLab-V1 ResNet-38 with the optimiser that the released code really ran -> five scales
# and CRF. Exponents of the labels and settings of the walk are chosen on the masks of train, as the
# authors chose theirs: 1, 12 and 0.39 of the released script belong to the maps of MCTformer-V2.
_base_ = ['../_base_/pipelines/voc12.py', '../_base_/pipelines/psa_chosen.py']
title = 'MCTformer+ on PASCAL VOC 2012'
recipe = dict(
    classifier='mctformer_plus_voc',
    affinity='psa_voc',
    segmentor='deeplabv1_r38_voc_pseudo_as-released',
    initial_segmentor=True,
    protocol='mctformer-voc-val',
)
