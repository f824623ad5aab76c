# ACR with averaged gradients of 4 images and weight decay 5e-4, which the released script meant to
# have (it became the momentum). Momentum 0.9, and a tenth of the rate, which keeps the effective
# step with it, are OUR CHOICE. UNTESTED: nobody has published a run of it.
_base_ = ['../acr_voc.py']
total_batch_size = 4
train_dataloader = dict(batch_size=4)
optim_wrapper = dict(optimizer=dict(lr=0.005, momentum=0.9, weight_decay=5e-4))
auto_scale_lr = dict(base_batch_size=4)
