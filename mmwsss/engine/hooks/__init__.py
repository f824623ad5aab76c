"""Hooks."""

from .atomic_checkpoint_hook import AtomicCheckpointHook
from .deferred_info_hook import DeferredInfoHook
from .epoch_seed_hook import EpochSeedHook
from .loss_schedule_hook import LossScheduleHook
from .metrics_file_hook import MetricsFileHook
from .pseudo_label_hook import PseudoLabelHook
from .skip_non_finite_hook import SkipNonFiniteHook
from .teacher_ema_hook import TeacherEMAHook
from .training_picture_hook import TrainingPictureHook
from .training_summary_hook import TrainingSummaryHook
from .validation_table_hook import ValidationTableHook

__all__ = [
    'AtomicCheckpointHook',
    'DeferredInfoHook',
    'EpochSeedHook',
    'LossScheduleHook',
    'MetricsFileHook',
    'PseudoLabelHook',
    'SkipNonFiniteHook',
    'TeacherEMAHook',
    'TrainingPictureHook',
    'TrainingSummaryHook',
    'ValidationTableHook',
]
