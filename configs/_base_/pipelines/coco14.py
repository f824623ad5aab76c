# MS COCO 2014 as the stages of a pipeline address it. `resnet38` is PSA's classifier of VOC, which
# both ResNet-38 start from: OUR INFERENCE, nothing is released for COCO.
data = 'data/coco14'
resnet38 = 'weights/res38_cls.pth'
dataset = dict(root='{data}', sample_split='val', raw_pixels=True)
