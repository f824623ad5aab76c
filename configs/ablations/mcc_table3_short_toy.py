# MCC, Table III on toy shapes, shortened: 60 steps of 8 crops of 72 x 72 pixels, 25 images of val.
# It shows that one command makes the table; so short a training tells nothing about the losses.
_base_ = 'mcc_table3_toy.py'
steps = 60
grid = dict(
    title='MCC, Table III: losses (toy shapes, shortened)',
    note=f'Toy shapes, {steps} steps of 8 small crops, 25 images of val. Published: VOC 2012.',
    options={
        'total_batch_size': 8,
        'train_cfg.max_iters': steps,
        'train_cfg.val_interval': 10 * steps,
        'param_scheduler.0.end': steps,
        'param_scheduler.0.warmup': 10,
        'default_hooks.checkpoint.interval': steps,
        'model.loss_starts.affinity': steps // 3,
        'model.loss_starts.contrast': steps // 3,
        'model.loss_starts.seg': steps // 3,
        'train_dataloader.batch_size': 8,
        'train_dataloader.num_workers': 0,
        'train_dataloader.persistent_workers': False,
        'train_dataloader.dataset.pipeline.1.base.2.crop_size': (72, 72),
        'train_dataloader.dataset.pipeline.1.views.1.steps.0.scale': 72,
        'val_dataloader.num_workers': 0,
        'val_dataloader.persistent_workers': False,
        'test_dataloader.num_workers': 0,
        'test_dataloader.dataset.indices': 25,
    },
)
