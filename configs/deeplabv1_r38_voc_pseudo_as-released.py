# The optimiser that MCTformer's released segmentation code really ran: SGD without momentum and
# weight decay worth the name. Anchors on val, reported by users of the authors' code (MCTformer,
# issues 31 and 26): 76.4 trained on ground-truth masks, 71.1 on the authors' pseudo masks.
_base_ = ['deeplabv1_r38_voc_pseudo.py']
optim_wrapper = dict(optimizer=dict(lr=7e-4, momentum=1e-5, weight_decay=0.0))
