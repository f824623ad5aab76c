# DeepLab-V1 (LargeFOV) on ResNet-38: trunk frozen up to the first convolution, batch norm frozen
# everywhere. Starts from PSA's classifier of VOC, weights/res38_cls.pth.
model = dict(
    type='mmseg.EncoderDecoder',
    data_preprocessor=dict(
        type='mmwsss.SegDataPreprocessor',
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        bgr_to_rgb=True,
        pad_val=0,
        seg_pad_val=255,
        size=(321, 321),
    ),
    backbone=dict(
        type='mmwsss.WideResNet38',
        out_features=('conv6',),
        frozen_stages=0,
        init_cfg=dict(type='Pretrained', checkpoint='weights/res38_cls.pth'),
    ),
    decode_head=dict(
        type='mmwsss.DeepLabV1Head',
        in_channels=4096,
        in_index=0,
        num_classes=21,
        variant='mct',
        loss_decode=dict(type='mmwsss.PixelCrossEntropyLoss'),
    ),
    train_cfg=dict(),
    test_cfg=dict(mode='whole'),
)
