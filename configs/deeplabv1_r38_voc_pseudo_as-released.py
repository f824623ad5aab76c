# The optimiser that MCTformer's released segmentation code really ran: SGD without momentum and
# weight decay worth the name.
_base_ = ['deeplabv1_r38_voc_pseudo.py']
optim_wrapper = dict(optimizer=dict(lr=7e-4, momentum=1e-5, weight_decay=0.0))
