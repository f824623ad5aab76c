# The runtime of single-stage methods: a table of all validations, and visualisations of the
# training.
_base_ = ['default_runtime.py']
custom_hooks = [
    dict(type='mmwsss.EpochSeedHook'),
    dict(type='mmwsss.LossScheduleHook'),
    dict(type='mmwsss.SkipNonFiniteHook'),
    dict(type='mmwsss.MetricsFileHook'),
    dict(type='mmwsss.ValidationTableHook'),
    dict(type='mmwsss.TrainingPictureHook', interval=500),
    dict(type='mmwsss.TeacherEMAHook'),
]
log_processor = dict(by_epoch=False)
find_unused_parameters = True  # decoder and projector learn nothing until their losses start
