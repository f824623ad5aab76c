# The composition of published parts (docs/composed.md) on MSRC-21 photographs with image tags:
# class tokens and their contrast (MCTformer+), layers supervised by their flatness (AReAM), swapped
# assignments with separation (CoSA), signed maps averaged over superpixels, on the network of
# msrc21/cosa_msrc21.py, tags to segmentation in one run of minutes on a CPU. Needs scikit-image
# (pip install "mmwsss[proposals]"). --cfg-options data_root=/path/to/msrc21. The consistency of two
# views (ACR) is model.loss_weights.consistency=1; it costs a second pass.
_base_ = ['msrc21/cosa_msrc21.py']
superpixels = dict(method='felzenszwalb', size=200, min_size=100)
model = dict(
    type='mmwsss.Composed',
    ranking_decay=0.97,
    consistency=dict(reference_patches=576),
    cam_loss=dict(version='paper'),
    momentum=0.95,
    signed=True,
    c2s_weights=(0.5, 0.5),
    loss_weights=dict(cam=0.5, attention=0.2, separation=0.1, consistency=0.0),
    loss_starts=dict(seg=60, attention=60, consistency=60, cam=90, separation=90),
    # signed maps are above 0.4 where nothing speaks against a class
    pseudo_label=dict(
        high=0.55,
        low=0.4,
        aux_high=0.55,
        aux_low=0.4,
        affinity_cam='main',
        superpixels=superpixels,
    ),
    test_cfg=dict(
        scales=(1.0, 0.75, 1.25),
        superpixels=superpixels,
        export='main',
        seg_maps=dict(weight=16.0, background=0.55, score=0.35),
    ),
)
