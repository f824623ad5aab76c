# PASCAL VOC 2012 as the stages of a pipeline address it. `resnet38` is PSA's classifier of VOC,
# which both ResNet-38 start from. --cfg-options data=... resnet38=... reach every stage.
data = 'data/VOCdevkit/VOC2012'
resnet38 = 'weights/res38_cls.pth'
dataset = dict(
    root='{data}',
    masks='SegmentationClassAug',
    split='train_aug',
    sample_split='val',
    class_file=False,
    raw_pixels=True,
)
