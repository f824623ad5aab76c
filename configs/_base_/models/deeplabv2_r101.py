# DeepLab-V2: Caffe-style ResNet-101 at stride 8, four dilated 3x3 convolutions summed, trained on
# three scales and their maximum.
model = dict(
    type='mmwsss.MSCSegmentor',
    scales=(1.0, 0.75, 0.5),
    data_preprocessor=dict(
        type='mmwsss.SegDataPreprocessor',
        mean=[104.008, 116.669, 122.675],
        std=[1.0, 1.0, 1.0],
        bgr_to_rgb=False,
        pad_val=0,
        seg_pad_val=255,
        size=(321, 321),
    ),
    backbone=dict(
        type='mmwsss.CeilPoolResNet',
        depth=101,
        style='caffe',
        strides=(1, 2, 1, 1),
        dilations=(1, 1, 2, 4),
        contract_dilation=False,
        out_indices=(3,),
        norm_cfg=dict(type='BN', requires_grad=False),
        norm_eval=True,
        init_cfg=dict(type='Pretrained', checkpoint='open-mmlab://detectron2/resnet101_caffe'),
    ),
    decode_head=dict(
        type='mmwsss.DeepLabV2Head',
        in_channels=2048,
        in_index=0,
        num_classes=21,
        loss_decode=dict(type='mmwsss.PixelCrossEntropyLoss'),
    ),
    train_cfg=dict(),
    test_cfg=dict(mode='whole'),
)
