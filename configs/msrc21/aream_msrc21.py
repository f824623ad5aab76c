# AReAM on MSRC-21 photographs, on the network of mctformer_plus_msrc21.py; --cfg-options
# model.affinity_weight=0 trains the same network without it.
_base_ = ['mctformer_plus_msrc21.py']
model = dict(
    type='mmwsss.AReAM',
    contrast_weight=0.0,
    affinity_weight=0.2,
    affinity_start=2,
    test_cfg=dict(attention_layers=3, fuse_sqrt=False),
)
