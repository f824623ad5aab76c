default_scope = 'mmwsss'
env_cfg = dict(
    cudnn_benchmark=False,
    mp_cfg=dict(mp_start_method='fork', opencv_num_threads=0),
    # seconds after which processes give up on one that does not answer
    dist_cfg=dict(backend='nccl', timeout=1800),
)
custom_hooks = [
    dict(type='mmwsss.EpochSeedHook'),
    dict(type='mmwsss.LossScheduleHook'),
    dict(type='mmwsss.SkipNonFiniteHook'),
    dict(type='mmwsss.MetricsFileHook'),
]
vis_backends = [dict(type='mmengine.LocalVisBackend')]
visualizer = dict(type='mmengine.Visualizer', vis_backends=vis_backends)
log_level = 'INFO'
load_from = None
resume = False
randomness = dict(seed=0)
