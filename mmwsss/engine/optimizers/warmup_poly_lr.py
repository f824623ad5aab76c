"""Learning-rate schedule of the single-stage methods as executed by the released code."""

from mmengine.optim import OptimWrapper
from mmengine.optim.scheduler.lr_scheduler import LRSchedulerMixin
from mmengine.optim.scheduler.param_scheduler import _ParamScheduler

from mmwsss.registry import PARAM_SCHEDULERS


@PARAM_SCHEDULERS.register_module()
class WarmupPolyLR(LRSchedulerMixin, _ParamScheduler):
    """Linear warm-up from a ratio, then a polynomial that starts with the warm-up (AFA, ToCo, MCC,
    CoSA; MCC section IV-A).

    Factor of the base value at step n: ``1 - (1 - n / warmup) (1 - warmup_ratio)`` for ``n <
    warmup``, else ``(1 - n / end)^power``. The polynomial is not re-based, so the rate drops
    slightly at the end of the warm-up.

    Args:
        optimizer (OptimWrapper): Optimizer whose learning rates are the base values.
        warmup (int): Steps of the warm-up; 0 for none.
        warmup_ratio (float): Ratio of the first value to the base value.
        power (float): Exponent of the polynomial.
        begin, end, last_step, by_epoch, verbose: See the schedulers of MMEngine; the polynomial
            would be 0 at ``end``.

    Raises:
        ValueError: The warm-up is longer than the schedule.
    """

    def __init__(
        self,
        optimizer: OptimWrapper,
        *,
        warmup: int = 1500,
        warmup_ratio: float = 1e-6,
        power: float = 0.9,
        begin: int = 0,
        end: int = 20000,
        last_step: int = -1,
        by_epoch: bool = False,
        verbose: bool = False,
    ) -> None:
        if not 0 <= warmup <= end - begin:
            raise ValueError(
                f'a warm-up of {warmup} steps does not fit a schedule of {end - begin}'
            )
        self.warmup, self.warmup_ratio, self.power = warmup, warmup_ratio, power
        super().__init__(
            optimizer, begin=begin, end=end, last_step=last_step, by_epoch=by_epoch, verbose=verbose
        )

    def _get_value(self) -> list[float]:
        step = self.last_step
        if step < self.warmup:
            # from warmup_ratio to 1; the polynomial continues from the current step
            factor = 1 - (1 - step / self.warmup) * (1 - self.warmup_ratio)
        else:
            # training may continue after the end, where a fractional power of a negative number is
            # complex
            factor = max(0.0, 1 - step / (self.end - self.begin)) ** self.power
        return [base * factor for base in self.base_values]
