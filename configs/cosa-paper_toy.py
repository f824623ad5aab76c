# The profile of the paper on the toy shapes: reliability weights, contrastive separation and
# dynamic thresholds.
_base_ = ['cosa_toy.py']
model = dict(
    cam_loss=dict(version='paper'),
    reliability_loss=dict(alpha=0.8, beta=1.0),
    separation_loss=dict(temperature=0.5, epsilon=1.0),
    dynamic_threshold=dict(mode='mle2', capacity=1600, grid=(12, 12)),
    loss_weights=dict(separation=0.1),
    pseudo_label=dict(labels='single', xi=0.25, aux_xi=0.2),
)
