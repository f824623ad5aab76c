# Version 1 of AReAM on PASCAL VOC 2012, as its code was released: MCTformer V2 at 224, weights of
# the layers fixed before training. They come from a plain MCTformer V2:
#   python tools/analysis_tools/analyze_affinity.py configs/mctformer_v2_voc.py CHECKPOINT \
#     --split train_aug --form sum
#     --size 224 --out work_dirs/aream_v1_weights
# or, as good in its authors' hands (67.9 against 67.7 CAM mIoU on train): --cfg-options
# model.weighting=uniform
_base_ = [
    '../_base_/models/mctformer_v2_deit-s.py',
    '../_base_/datasets/voc12_tags_224.py',
    '../_base_/schedules/mctformer.py',
    '../_base_/default_runtime.py',
]
model = dict(
    type='mmwsss.AReAM',
    contrast_weight=0.0,
    affinity_weight=0.1,
    affinity_start=10,
    weighting='work_dirs/aream_v1_weights/layer_weights.json',
    split_layer=7,
    affinity_loss=dict(style='afa', layer_reduction='mean'),
    labels=dict(mode='two_pass', low=0.35, high=0.55, downscale=2),
    cam_flip=True,
    backbone=dict(pad_to_patch=True),
    test_cfg=dict(attention_layers=None, eps=1e-6),
)
optim_wrapper = dict(
    _delete_=True,
    type='mmengine.OptimWrapper',
    optimizer=dict(
        type='AdamW', lr=5e-4 * 64 / 512, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.05
    ),
    paramwise_cfg=dict(
        norm_decay_mult=0.0, bias_decay_mult=0.0, custom_keys={'pos_embed': dict(decay_mult=0.0)}
    ),
)
auto_scale_lr = dict(base_batch_size=64)
train_cfg = dict(max_epochs=60, val_interval=60)
param_scheduler = [dict(_base_.warmup_cosine, end=60)]
val_evaluator = [
    dict(type='mmwsss.CAMMetric', thresholds=[step / 100 for step in range(80)]),
    dict(type='mmwsss.TagMetric'),
]
test_evaluator = val_evaluator
randomness = dict(seed=42)
