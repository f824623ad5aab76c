# PASCAL VOC 2012, the released chain: MCTformer+ -> CAMs of train_aug -> la/ha CRF -> PSA -> random
# walk -> DeepLab-V1 ResNet-38 with the optimiser that the released code really ran -> five scales
# and CRF. Exponents of the labels and settings of the walk are chosen on the masks of train, as the
# authors chose theirs: 1, 12 and 0.39 of the released script belong to the maps of MCTformer-V2.
_base_ = '../_base_/pipelines/voc12.py'
title = 'MCTformer+ on PASCAL VOC 2012'
recipe = dict(
    type='multi_stage',
    classifier='mctformer_plus_voc',
    affinity='psa_voc',
    segmentor='deeplabv1_r38_voc_pseudo_as-released',
    initial='{resnet38}',
    initial_segmentor=True,
    label_sweep=dict(low_alpha='1,2,3,4', high_alpha='8,12,16,24'),
    mask_sweep=dict(background='0.2:0.62:0.02', beta='4,8,16', log2_steps='4,5,6,8'),
    protocol='mctformer-voc-val',
)
