# PSA's affinity network (Ahn and Kwak, CVPR 2018) on PASCAL VOC 2012 with the settings of MCTformer
# and ACR: ResNet-38, batch 8, 6,610 steps, poly. First make the training labels:
#   python tools/make_affinity_labels.py --cams CAMS \
#     --images data/VOCdevkit/VOC2012/JPEGImages --out LABELS --raw-pixels --method psa
#   python tools/train.py configs/psa_voc.py \
#     --cfg-options train_dataloader.dataset.data_prefix.affinity_path=LABELS
# It starts from PSA's classifier of VOC, not from ImageNet weights: put it at
# weights/res38_cls.pth, or give --cfg-options model.backbone.init_cfg.checkpoint=FILE. The
# optimizer is the one that the released code really ran: its weight decay of 5e-4 was also passed
# as the momentum. psa_voc_momentum.py is the usual SGD.
_base_ = ['_base_/datasets/voc12_affinity.py', '_base_/default_runtime.py']
model = dict(
    type='mmwsss.AffinityNet',
    data_preprocessor=dict(type='mmwsss.ViewsDataPreprocessor'),
    backbone=dict(
        type='mmwsss.WideResNet38',
        frozen_stages=1,
        frozen_bn=True,
        init_cfg=dict(type='Pretrained', checkpoint='weights/res38_cls.pth'),
    ),
    stride=8,
)
optim_wrapper = dict(
    type='mmengine.OptimWrapper',
    optimizer=dict(type='SGD', lr=0.01, momentum=5e-4, weight_decay=5e-4),
    paramwise_cfg=dict(custom_keys={'projections': dict(lr_mult=10.0), 'fuse': dict(lr_mult=10.0)}),
)
max_iters = 6610  # 5 epochs of 10,582 images
param_scheduler = [
    dict(type='mmengine.PolyLR', eta_min=0.0, power=0.9, begin=0, end=max_iters + 1, by_epoch=False)
]
train_cfg = dict(type='mmengine.IterBasedTrainLoop', max_iters=max_iters)
default_hooks = dict(
    logger=dict(type='mmengine.LoggerHook', interval=50, log_metric_by_epoch=False),
    checkpoint=dict(
        type='mmwsss.AtomicCheckpointHook', by_epoch=False, interval=1322, max_keep_ckpts=2
    ),
)
