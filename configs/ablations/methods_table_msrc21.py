# The methods side by side on MSRC-21 photographs, on one frozen ImageNet trunk, and the control of
# MCTformer+: the same network with a trunk from random weights that is trained.
maps_only = dict(seg=None)
grid = dict(
    title='Methods on MSRC-21, small transformer on a frozen ImageNet trunk',
    source='no paper: ours',
    note='393 training photos, 96 val photos, val maps with the tags of the photos, segmentation '
    'without.',
    base='{configs}/msrc21/mctformer_plus_msrc21.py',
    seeds=[0, 1, 2],
    tests=[dict(name='test')],
    columns=dict(
        cam=dict(title='CAM mIoU', test='test', key='cam/mIoU'),
        seg=dict(title='segmentation mIoU', test='test', key='seg/mIoU'),
    ),
    rows=[
        dict(
            name='MCTformer+, trunk from random weights, trained',
            options={
                'model.backbone.stem.init_cfg': None,
                'model.backbone.stem.frozen_stages': -1,
                # the default of 0.01 keeps a quarter of the initial statistics after 144 steps
                'model.backbone.stem.norm_momentum': 0.1,
            },
            keys=maps_only,
        ),
        dict(name='MCTformer+', keys=maps_only),
        dict(name='AReAM', base='{configs}/msrc21/aream_msrc21.py', keys=maps_only),
        dict(name='ACR', base='{configs}/msrc21/acr_msrc21.py', keys=maps_only),
        dict(name='ToCo', base='{configs}/msrc21/toco_msrc21.py'),
        dict(name='MCC', base='{configs}/msrc21/mcc_msrc21.py'),
        dict(name='CoSA', base='{configs}/msrc21/cosa_msrc21.py'),
        dict(name='Composed', base='{configs}/composed_msrc21.py'),
    ],
)
