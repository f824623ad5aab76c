# Toy shapes: images and label maps for IRN, labels on a grid of 4 pixels.
_base_ = ['toy_affinity.py']
affinity_dir = 'work_dirs/irn_labels/toy'
train_pipeline = [
    dict(type='mmwsss.LoadImage'),
    dict(type='mmwsss.LoadIRLabel'),
    dict(type='mmwsss.AffinityScale', ratio_range=(0.8, 1.25)),
    dict(type='mmseg.RandomFlip', prob=0.5),
    dict(type='mmwsss.AffinityCrop', crop_size=(96, 96), img_pad=(104, 116, 124), seg_pad=255),
    dict(type='mmwsss.IRLabelToGrid', stride=4),
    dict(type='mmwsss.PackAffinityInputs'),
]
train_dataloader = dict(
    dataset=dict(data_prefix=dict(affinity_path=affinity_dir), pipeline=train_pipeline)
)
