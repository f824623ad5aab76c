# ToCo on MSRC-21 photographs: mcc_msrc21.py with crops of 64 x 64 pixels instead of masks.
#   --cfg-options data_root=/path/to/msrc21
_base_ = ['mcc_msrc21.py']
model = dict(
    _delete_=True,
    type='mmwsss.ToCo',
    num_classes=15,
    data_preprocessor={{_base_.model.data_preprocessor}},
    backbone={{_base_.model.backbone}},
    decode_head={{_base_.model.decode_head}},
    projector={{_base_.model.projector}},
    num_crops=4,
    crop_size=64,
    loss_weights={{_base_.model.loss_weights}},
    loss_starts={{_base_.model.loss_starts}},
    pseudo_label={{_base_.model.pseudo_label}},
    test_cfg={{_base_.model.test_cfg}},
)
