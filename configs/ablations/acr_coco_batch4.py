# ACR on MS COCO 2014 with averaged gradients of 4 images and the usual SGD, see acr_voc_batch4.py.
# UNTESTED.
_base_ = ['../acr_coco.py']
total_batch_size = 4
train_dataloader = dict(batch_size=4)
optim_wrapper = dict(optimizer=dict(lr=0.005, momentum=0.9, weight_decay=5e-4))
auto_scale_lr = dict(base_batch_size=4)
