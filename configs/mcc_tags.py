# MCC on your own photos: a folder of images and a table of tags, straight to segmentation. Copy
# this file and change the three lines below, or set them on the command line: --cfg-options
# data_root=... (docs/user_guides/own_data.md).
#   <data_root>/JPEGImages/*.jpg     the photos (.jpg, .jpeg or .png)
#   <data_root>/image_tags.csv   header "image,tags", one row per photo, tags between blanks
#   <data_root>/classes.txt          the tags, one per line, after a first line "background"
_base_ = [
    '_base_/models/mcc_deit-b.py',
    '_base_/datasets/voc12_single_stage.py',
    '_base_/schedules/single_stage.py',
    '_base_/single_stage_runtime.py',
]
data_root = 'data/my_photos'
num_classes = 20  # lines of classes.txt without background
train_list = ''  # e.g. 'ImageSets/Segmentation/train.txt'; empty: every photo of the table
dataset = dict(
    type='mmwsss.ImageTagDataset', data_root=data_root, ann_file=train_list, classes='classes.txt'
)
model = dict(
    num_classes=num_classes,
    contrast_loss=dict(for_else_term=True),
    mask_ratio=0.95,
    flag_cam=[(0, 'aux'), (12001, 'main')],
    loss_starts=dict(seg=2001, energy=2001),
)
train_dataloader = dict(dataset=dict(_delete_=True, pipeline={{_base_.train_pipeline}}, **dataset))
# without masks there is nothing to evaluate; tools/test.py --out writes the segmentation,
# tools/generate_cams.py the CAMs
val_dataloader = None
val_cfg = None
val_evaluator = None
test_dataloader = dict(
    dataset=dict(_delete_=True, test_mode=True, pipeline={{_base_.test_pipeline}}, **dataset)
)
test_evaluator = [dict(type='mmwsss.TagMetric')]
tta_options = dict(test_evaluator=[dict(type='mmwsss.TagMetric')])
randomness = dict(diff_rank_seed=True)
