# MCC on PASCAL VOC 2012 as the paper describes it: masks hide 75 %, Eq. 10 without the extra term,
# flags from the auxiliary maps, Eq. 7 with a segmentation weight of 1 and no energy term. When the
# segmentation loss starts is not in the paper: as released.
_base_ = ['mcc_fixed_voc.py']
model = dict(
    contrast_loss=dict(for_else_term=False),
    mask_ratio=0.75,
    flag_cam='aux',
    loss_weights=dict(seg=1.0, energy=0.0),
    loss_starts=dict(energy=0),
)
