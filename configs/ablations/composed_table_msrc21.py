# The parts of the composed recipe (docs/composed.md) on MSRC-21 photographs, each left out by
# itself, and the consistency of two views added.
unsigned = {
    'model.signed': False,
    'model.pseudo_label.high': 0.3,
    'model.pseudo_label.low': 0.1,
    'model.pseudo_label.aux_high': 0.3,
    'model.pseudo_label.aux_low': 0.1,
    'model.test_cfg.seg_maps.background': 0.13,
}
labels_of_pixels = {'model.pseudo_label.superpixels': None}
maps_of_pixels = {'model.test_cfg.superpixels': None}
grid = dict(
    title='Composed recipe on MSRC-21, one part left out',
    source='no paper: ours',
    note='393 training photos, 96 val photos, val maps with the tags of the photos, segmentation '
    'without. Rectified maps have the thresholds 0.3 and 0.1.',
    base='{configs}/composed_msrc21.py',
    seeds=[0, 1, 2],
    tests=[
        dict(name='test'),
        dict(name='decoder', options={'model.test_cfg.seg_maps': None}),
    ],
    columns=dict(
        cam=dict(title='CAM mIoU', test='test', key='cam/mIoU'),
        seg=dict(title='segmentation mIoU', test='test', key='seg/mIoU'),
        decoder=dict(title='of the decoder alone', test='decoder', key='seg/mIoU'),
    ),
    rows=[
        dict(name='all parts'),
        dict(name='no contrast between tokens', options={'model.loss_weights.contrast': 0.0}),
        dict(
            name='no class tokens',
            options={'model.loss_weights.contrast': 0.0, 'model.loss_weights.token': 0.0},
        ),
        dict(name='no supervision of layers', options={'model.loss_weights.attention': 0.0}),
        dict(name='no guidance of maps', options={'model.loss_weights.cam': 0.0}),
        dict(name='no separation', options={'model.loss_weights.separation': 0.0}),
        dict(name='maximum instead of weighted ranking', options={'model.ranking_decay': None}),
        dict(name='rectified maps', options=unsigned),
        dict(name='no superpixels in training', options=labels_of_pixels),
        dict(name='no superpixels in prediction', options=maps_of_pixels),
        dict(name='no superpixels', options={**labels_of_pixels, **maps_of_pixels}),
        dict(
            name='consistency of two views added',
            options={'model.loss_weights.consistency': 1.0},
        ),
    ],
)
