# ToCo on PASCAL VOC 2012, the released recipe with DeiT-B; published: 69.8 mIoU on val with three
# scales and CRF. ViT-B of ImageNet-21k (published: 71.1): --cfg-options
# model.backbone.init_cfg.checkpoint=URL with the URL of jx_vit_base_p16_224-80ecf9dd.pth of timm.
_base_ = [
    '_base_/models/toco_deit-b.py',
    '_base_/datasets/voc12_single_stage_as-released.py',
    '_base_/schedules/single_stage.py',
    '_base_/single_stage_runtime.py',
]
model = dict(
    flag_cam='aux',
    loss_starts=dict(seg=2001, energy=2001),
    pseudo_label=dict(high=0.7, low=0.25, seg_cam='main', affinity_cam='aux', legacy_box=True),
)
