# MCTformer+ on your own photos: a folder of images and a table of tags. Copy this file and change
# the three lines below, or set them on the command line: --cfg-options data_root=...
# (docs/user_guides/own_data.md).
#   <data_root>/JPEGImages/*.jpg     the photos (.jpg, .jpeg or .png)
#   <data_root>/image_tags.csv   header "image,tags", one row per photo, tags between blanks
#   <data_root>/classes.txt          the tags, one per line, after a first line "background"
_base_ = [
    '_base_/models/mctformer_plus_deit-s.py',
    '_base_/datasets/voc12_tags_448.py',
    '_base_/schedules/mctformer.py',
    '_base_/default_runtime.py',
]
data_root = 'data/my_photos'
num_classes = 20  # lines of classes.txt without background
train_list = ''  # e.g. 'ImageSets/Segmentation/train.txt'; empty: every photo of the table
dataset = dict(
    type='mmwsss.ImageTagDataset', data_root=data_root, ann_file=train_list, classes='classes.txt'
)
model = dict(num_classes=num_classes)
total_batch_size = 16
train_dataloader = dict(
    batch_size=16, dataset=dict(_delete_=True, pipeline={{_base_.train_pipeline}}, **dataset)
)
# without masks there is nothing to evaluate; CAM files are written by tools/generate_cams.py
val_dataloader = None
val_cfg = None
val_evaluator = None
test_dataloader = dict(
    dataset=dict(_delete_=True, test_mode=True, pipeline={{_base_.test_pipeline}}, **dataset)
)
test_evaluator = [dict(type='mmwsss.TagMetric')]
optim_wrapper = dict(optimizer=dict(lr=5e-4 * 16 / 512))
auto_scale_lr = dict(base_batch_size=16)
