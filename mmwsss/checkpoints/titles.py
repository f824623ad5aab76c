"""Origin of the weights of every released checkpoint format, for the texts of the command line."""

TITLES = dict(
    mctformer_plus='MCTformer+',
    mctformer_v2='MCTformer V2 (also AReAM v1)',
    mctformer_v1='MCTformer V1, which has no patch head',
    mcc='MCC or ToCo',
    cosa='CoSA',
    irn='IRN',
    psa='PSA (AffinityNet on ResNet38)',
    resnet38_seg="MCTformer's segmentation stage (DeepLab-V1 on ResNet38)",
    deeplabv2='deeplab-pytorch (DeepLab-V2 on ResNet-101)',
    acr='ACR',
)
