# CoSA, Table 3 (a) on toy shapes, shortened: 60 steps of 8 crops of 64 x 64 pixels, 25 images of
# val. It shows that one command makes the table; so short a training tells nothing about the
# components.
_base_ = 'cosa_table3_toy.py'
steps = 60
grid = dict(
    title='CoSA, Table 3 (a): components (toy shapes, shortened)',
    note=f'Toy shapes, {steps} steps of 8 small crops, 25 images of val. Published: VOC 2012.',
    options={
        'total_batch_size': 8,
        'train_cfg.max_iters': steps,
        'train_cfg.val_interval': 10 * steps,
        'param_scheduler.0.end': steps,
        'param_scheduler.0.warmup': 10,
        'default_hooks.checkpoint.interval': steps,
        'model.loss_starts.seg': steps // 3,
        'model.loss_starts.cam': steps // 2,
        'model.loss_starts.separation': steps // 2,
        'train_dataloader.batch_size': 8,
        'train_dataloader.num_workers': 0,
        'train_dataloader.persistent_workers': False,
        'train_dataloader.dataset.pipeline.1.base.2.crop_size': (64, 64),
        'val_dataloader.num_workers': 0,
        'val_dataloader.persistent_workers': False,
        'test_dataloader.num_workers': 0,
        'test_dataloader.dataset.indices': 25,
    },
)
