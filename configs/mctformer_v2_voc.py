# MCTformer V2 on PASCAL VOC 2012; published: 61.7 CAM mIoU on train.
_base_ = [
    '_base_/models/mctformer_v2_deit-s.py',
    '_base_/datasets/voc12_tags_224.py',
    '_base_/schedules/mctformer.py',
    '_base_/default_runtime.py',
]
optim_wrapper = dict(
    optimizer=dict(lr=5e-4 * 64 / 512),
    paramwise_cfg=dict(
        custom_keys={'cls_token': dict(decay_mult=0.0), 'pos_embed': dict(decay_mult=0.0)}
    ),
)
auto_scale_lr = dict(base_batch_size=64)
train_cfg = dict(max_epochs=60, val_interval=60)
param_scheduler = [dict(_base_.warmup_cosine, end=60)]
