# PASCAL VOC 2012, the released chain: MCTformer+ -> CAMs of train_aug -> la/ha CRF -> PSA -> random
# walk -> DeepLab-V1 ResNet-38 with the optimiser that the released code really ran -> five scales
# and CRF. The background score of the walk is the best threshold of the seeds; the 0.39 of the
# released script belongs to the maps of MCTformer-V2.
_base_ = '../_base_/pipelines/voc12.py'
title = 'MCTformer+ on PASCAL VOC 2012'
recipe = dict(
    type='multi_stage',
    classifier='mctformer_plus_voc',
    affinity='psa_voc',
    segmentor='deeplabv1_r38_voc_pseudo_as-released',
    initial='{resnet38}',
    initial_segmentor=True,
    low_alpha=1,
    high_alpha=12,
    protocol='mctformer-voc-val',
)
