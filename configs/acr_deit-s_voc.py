# ACR on DeiT-S, PASCAL VOC 2012. The paper gives the backbone and its numbers (56.8 / 63.4 CAM mIoU
# without / with refinement, Table 6), the code has no such network: the optimizer is MCTformer's,
# OUR INFERENCE and unverified.
_base_ = [
    '_base_/models/acr_vit-hybrid-b.py',
    '_base_/datasets/voc12_tags_384.py',
    '_base_/schedules/mctformer.py',
    '_base_/default_runtime.py',
]
model = dict(
    backbone=dict(
        _delete_=True,
        type='mmwsss.TokenViT',
        arch='deit-small',
        img_size=384,
        patch_size=16,
        pos_init='bilinear',
        pos_interp_mode='bilinear',
        init_cfg=dict(
            type='Pretrained',
            checkpoint='https://dl.fbaipublicfiles.com/deit/deit_small_patch16_224-cd65a155.pth',
        ),
    )
)
total_batch_size = 32
train_dataloader = dict(
    batch_size=32, sampler=dict(_delete_=True, type='mmengine.DefaultSampler', shuffle=True)
)
param_scheduler = [dict(_base_.warmup_cosine, lag=0, end=45)]
optim_wrapper = dict(
    paramwise_cfg=dict(
        custom_keys={'cls_token': dict(decay_mult=0.0), 'pos_embed': dict(decay_mult=0.0)}
    )
)
