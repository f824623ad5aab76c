"""Learning-rate schedule of the DeiT recipe as executed by the released WSSS code."""

import math
from typing import Any

from mmengine.optim import OptimWrapper
from mmengine.optim.scheduler.lr_scheduler import LRSchedulerMixin
from mmengine.optim.scheduler.param_scheduler import _ParamScheduler

from mmwsss.registry import PARAM_SCHEDULERS


@PARAM_SCHEDULERS.register_module()
class WarmupCosineLR(LRSchedulerMixin, _ParamScheduler):
    """Linear warm-up inside a cosine, in absolute values, optionally lagging (released code
    of MCTformer+).

    ``v(t) = warmup_lr + t (base - warmup_lr) / warmup`` for ``t < warmup``, else ``v(t) = min_lr +
    (base - min_lr) (1 + cos(pi t / end)) / 2``; step ``t`` runs at ``v(max(t - lag, 0))``. The
    warm-up replaces the first steps of the cosine, so ``base`` itself is not reached.

    Args:
        optimizer (OptimWrapper): Optimizer whose learning rates are the base values.
        warmup (int): Steps (epochs, or iterations with ``by_epoch=False``) of the warm-up.
        warmup_lr (float): First value, absolute.
        min_lr (float): Final value of the cosine, absolute.
        lag (int): 1 reproduces the released code, which updates at the end of an epoch with that
            epoch's number; 0 is exact.
        begin, end, last_step, by_epoch, verbose: See the schedulers of MMEngine; ``end`` is the
            period of the cosine.
    """

    def __init__(
        self,
        optimizer: OptimWrapper,
        *,
        warmup: int = 5,
        warmup_lr: float = 1e-6,
        min_lr: float = 1e-5,
        lag: int = 1,
        begin: int = 0,
        end: int = 45,
        last_step: int = -1,
        by_epoch: bool = True,
        verbose: bool = False,
    ) -> None:
        self.warmup, self.warmup_lr, self.min_lr, self.lag = warmup, warmup_lr, min_lr, lag
        super().__init__(
            optimizer, begin=begin, end=end, last_step=last_step, by_epoch=by_epoch, verbose=verbose
        )

    @classmethod
    def build_iter_from_epoch(
        cls,
        *args: Any,
        begin: int = 0,
        end: int = 45,
        by_epoch: bool = True,
        epoch_length: int | None = None,
        warmup: int = 5,
        lag: int = 1,
        **kwargs: Any,
    ) -> 'WarmupCosineLR':
        """The same schedule, updated every iteration."""
        if not by_epoch or epoch_length is None:
            raise ValueError('only a schedule by epoch can be converted to iterations')
        return cls(
            *args,
            begin=begin * epoch_length,
            end=end * epoch_length,
            warmup=warmup * epoch_length,
            lag=lag * epoch_length,
            by_epoch=False,
            **kwargs,
        )

    def _get_value(self) -> list[float]:
        # the rate of the released code is `lag` updates late
        step = max(self.last_step - self.lag, 0)
        if step < self.warmup:
            return [
                self.warmup_lr + step * (base - self.warmup_lr) / self.warmup
                for base in self.base_values
            ]
        # over the whole training, warm-up included
        cosine = (1 + math.cos(math.pi * step / (self.end - self.begin))) / 2
        return [self.min_lr + (base - self.min_lr) * cosine for base in self.base_values]
