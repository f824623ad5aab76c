# As every single-stage method, and the moving average after each step. Checkpoints are chosen by
# the number without image tags; the authors choose theirs by the tag-filtered one on val
# (save_best='seg/mIoU_image_tags').
_base_ = ['single_stage_runtime.py']
custom_hooks = [
    dict(type='mmwsss.EpochSeedHook'),
    dict(type='mmwsss.LossScheduleHook'),
    dict(type='mmwsss.SkipNonFiniteHook'),
    dict(type='mmwsss.TeacherEMAHook'),
    dict(type='mmwsss.MetricsFileHook'),
    dict(
        type='mmwsss.ValidationTableHook',
        columns={
            'seg mIoU': 'seg/mIoU',
            'with GT tags': 'seg/mIoU_image_tags',
            'CAM mIoU': 'cam/mIoU',
            'aux CAM mIoU': 'aux_cam/mIoU',
            'tag F1': 'tags/F1_per_image',
        },
    ),
    dict(type='mmwsss.TrainingPictureHook', interval=500),
]
