# The composition of published parts (docs/composed.md) on PASCAL VOC 2012: cosa_voc.py on a
# transformer with a class token per class. Our inference from configs/composed_msrc21.py, not run
# at this size.
_base_ = ['cosa_voc.py']
model = dict(
    type='mmwsss.Composed',
    ranking_decay=0.996,
    consistency=dict(reference_patches=576),
    cam_loss=dict(version='paper'),
    loss_weights=dict(attention=0.2, separation=0.1, consistency=0.0),
    loss_starts=dict(attention=6001, consistency=6001),
    pseudo_label=dict(affinity_cam='main'),
)
