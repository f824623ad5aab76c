# IRN on MS COCO 2014 with the settings of VOC: 3 epochs of 82,081 images (7,695 steps). No recipe
# for COCO has been released. Labels:
#   python tools/make_affinity_labels.py --cams CAMS --images data/coco14/JPEGImages \
#     --out LABELS --raw-pixels --method irn
#   python tools/train.py configs/irn_coco.py \
#     --cfg-options train_dataloader.dataset.data_prefix.affinity_path=LABELS
_base_ = ['irn_voc.py']
data_root = 'data/coco14'
affinity_dir = 'work_dirs/irn_labels/coco'
train_dataloader = dict(
    dataset=dict(
        data_root=data_root,
        ann_file='ImageSets/Segmentation/train.txt',
        data_prefix=dict(affinity_path=affinity_dir),
    )
)
max_iters = 7695  # 3 epochs of 82,081 images
param_scheduler = [
    dict(type='mmengine.PolyLR', eta_min=0.0, power=0.9, begin=0, end=max_iters + 1, by_epoch=False)
]
train_cfg = dict(max_iters=max_iters)
default_hooks = dict(logger=dict(interval=50), checkpoint=dict(interval=2565))
