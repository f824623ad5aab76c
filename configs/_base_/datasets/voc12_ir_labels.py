# PASCAL VOC 2012: images of train_aug and label maps for IRN. The
# image is padded with 0 after it is normalised, that is with the mean colour (written in BGR
# order), the labels with 255.
_base_ = ['voc12_affinity.py']
affinity_dir = 'work_dirs/irn_labels/voc'
train_pipeline = [
    dict(type='mmwsss.LoadImage'),
    dict(type='mmwsss.LoadIRLabel'),
    dict(type='mmwsss.AffinityScale', ratio_range=(0.5, 1.5)),
    dict(type='mmseg.RandomFlip', prob=0.5),
    dict(type='mmwsss.AffinityCrop', crop_size=(512, 512), img_pad=(104, 116, 124), seg_pad=255),
    dict(type='mmwsss.IRLabelToGrid', stride=4),
    dict(type='mmwsss.PackAffinityInputs'),
]
total_batch_size = 32
train_dataloader = dict(
    batch_size=32,
    dataset=dict(data_prefix=dict(affinity_path=affinity_dir), pipeline=train_pipeline),
)
