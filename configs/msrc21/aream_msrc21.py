# AReAM from random weights on MSRC-21 photographs; --cfg-options model.affinity_weight=0 trains the
# same network without it.
_base_ = ['mctformer_plus_msrc21.py']
model = dict(
    type='mmwsss.AReAM',
    contrast_weight=0.0,
    affinity_weight=0.2,
    affinity_start=7,
    test_cfg=dict(map_type='fused', attention_layers=3, fuse_sqrt=False, refine=True),
)
