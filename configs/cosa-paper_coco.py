# CoSA with everything that its paper describes, also what the released code lacks: reliability
# weights, contrastive separation and dynamic thresholds (a buffer of 100 batches), no energy loss.
# Where the paper is silent the choice is ours (configs/cosa/README.md).
_base_ = ['cosa_coco.py']
model = dict(
    c2s_weights=(1.0, 1.0),
    cam_loss=dict(version='paper'),
    reliability_loss=dict(alpha=0.8, beta=1.0),
    separation_loss=dict(temperature=0.5, epsilon=1.0, alpha=0.8, beta=1.0),
    dynamic_threshold=dict(
        mode='kmeans2', capacity=800, momentum=0.99, interval=10, min_updates=10
    ),
    loss_weights=dict(energy=0.0, separation=0.1),
    pseudo_label=dict(labels='single', xi=0.5, aux_xi=0.5),
)
