# MS COCO 2014: AReAM in the chain of MCTformer+, with PAR as a side line. OUR INFERENCE: nothing is
# released, PSA and DeepLab-V1 keep their settings of VOC.
_base_ = '../_base_/pipelines/coco14.py'
title = 'AReAM, PAR and PSA on MS COCO 2014'
recipe = dict(
    type='multi_stage',
    classifier='aream_coco',
    affinity='psa_voc',
    affinity_options={'train_dataloader.dataset.ann_file': 'ImageSets/Segmentation/train.txt'},
    segmentor='deeplabv1_r38_coco_pseudo',
    initial='{resnet38}',
    initial_segmentor=True,
    thresholds='0:0.8:0.01',
    compare=('par',),
    par_rule='eq16',
    low_alpha=1,
    high_alpha=12,
    protocol='mctformer-coco-val',
)
