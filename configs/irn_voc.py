# IRN (Ahn, Cho and Kwak, CVPR 2019) on PASCAL VOC 2012: frozen ResNet-50, batch 32, 3 epochs (990
# steps), poly. First make the labels:
#   python tools/make_affinity_labels.py --cams CAMS \
#     --images data/VOCdevkit/VOC2012/JPEGImages --out LABELS --raw-pixels --method irn
#   python tools/train.py configs/irn_voc.py \
#     --cfg-options train_dataloader.dataset.data_prefix.affinity_path=LABELS
# Semantic masks need the boundary head alone. model.with_displacement=True also trains the
# displacement head of instance masks, at ten times the rate; the boundaries are the same. As in the
# released code, the weight decay is the momentum too.
_base_ = ['_base_/datasets/voc12_ir_labels.py', '_base_/default_runtime.py']
model = dict(
    type='mmwsss.IRNet',
    data_preprocessor=dict(type='mmwsss.ViewsDataPreprocessor'),
    backbone=dict(
        type='mmwsss.PyramidResNet',
        depth=50,
        init_cfg=dict(type='Pretrained', checkpoint='torchvision://resnet50'),
    ),
    with_displacement=False,
    radius=10,
)
optim_wrapper = dict(
    type='mmengine.OptimWrapper',
    optimizer=dict(type='SGD', lr=0.1, momentum=1e-4, weight_decay=1e-4),
    paramwise_cfg=dict(custom_keys={'displacement': dict(lr_mult=10.0)}),
)
max_iters = 990  # 3 epochs of 10,582 images
param_scheduler = [
    dict(type='mmengine.PolyLR', eta_min=0.0, power=0.9, begin=0, end=max_iters + 1, by_epoch=False)
]
train_cfg = dict(type='mmengine.IterBasedTrainLoop', max_iters=max_iters)
default_hooks = dict(
    logger=dict(type='mmengine.LoggerHook', interval=10, log_metric_by_epoch=False),
    checkpoint=dict(
        type='mmwsss.AtomicCheckpointHook', by_epoch=False, interval=330, max_keep_ckpts=2
    ),
)
