# CoSA on your own photos: a folder of images and a table of tags, straight to segmentation. Copy
# this file and change the three lines below, or set them on the command line: --cfg-options
# data_root=... (docs/user_guides/own_data.md).
#   <data_root>/JPEGImages/*.jpg     the photos (.jpg, .jpeg or .png)
#   <data_root>/image_tags.csv   header "image,tags", one row per photo, tags between blanks
#   <data_root>/classes.txt          the tags, one per line, after a first line "background"
_base_ = [
    '_base_/models/cosa_vit-b.py',
    '_base_/datasets/voc12_cosa.py',
    '_base_/schedules/cosa.py',
    '_base_/cosa_runtime.py',
]
data_root = 'data/my_photos'
num_classes = 20  # lines of classes.txt without background
train_list = ''  # e.g. 'ImageSets/Segmentation/train.txt'; empty: every photo of the table
dataset = dict(
    type='mmwsss.ImageTagDataset', data_root=data_root, ann_file=train_list, classes='classes.txt'
)
model = dict(
    num_classes=num_classes,
    loss_starts=dict(seg=6001, cam=6001, aux_cam=6001, energy=6001, separation=6001),
)
train_dataloader = dict(dataset=dict(_delete_=True, pipeline={{_base_.train_pipeline}}, **dataset))
# without masks there is nothing to evaluate and no best checkpoint; tools/test.py --out writes the
# segmentation, generate_cams.py the CAMs
val_dataloader = None
val_cfg = None
val_evaluator = None
test_dataloader = dict(
    dataset=dict(_delete_=True, test_mode=True, pipeline={{_base_.test_pipeline}}, **dataset)
)
test_evaluator = [dict(type='mmwsss.TagMetric')]
tta_options = {'model.test_cfg.size': None, 'test_evaluator': [dict(type='mmwsss.TagMetric')]}
default_hooks = dict(checkpoint=dict(save_best=None, rule=None))
randomness = dict(diff_rank_seed=True)
