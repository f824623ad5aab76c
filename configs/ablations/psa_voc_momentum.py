# The affinity network with the usual SGD: momentum 0.9 at a tenth of the rates, which keeps the
# effective step of psa_voc.py.
_base_ = ['../psa_voc.py']
optim_wrapper = dict(optimizer=dict(lr=1e-3, momentum=0.9))
