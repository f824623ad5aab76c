# ACR on PASCAL VOC 2012 as its released code really runs: one GPU, batch 1, 26,450 steps.
# Published: 67.3 CAM mIoU on train (59.4 without refinement: --cfg-options
# model.test_cfg.refine=False).
_base_ = [
    '_base_/models/acr_vit-hybrid-b.py',
    '_base_/datasets/voc12_tags_384.py',
    '_base_/schedules/acr_sgd.py',
    '_base_/default_runtime.py',
]
