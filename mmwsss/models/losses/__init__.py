"""Loss functions, one equation a file."""
from .class_token_contrast_loss import ClassTokenContrastLoss
from .dense_energy_loss import DenseEnergyLoss

__all__ = ['ClassTokenContrastLoss', 'DenseEnergyLoss']
