# ToCo on DeiT-B/16: as MCC, with crops of 96 x 96 pixels instead of masks.
_base_ = ['mcc_deit-b.py']
model = dict(type='mmwsss.ToCo', num_crops=8, crop_size=96, contrast_loss=dict(for_else_term=True))
