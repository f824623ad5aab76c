"""Asynchronous logging of the losses of a step."""

from collections.abc import Sequence

from mmengine.hooks import RuntimeInfoHook
from mmengine.runner import Runner
from torch import Tensor

from mmwsss.engine.deferred_scalars import DeferredScalars
from mmwsss.registry import HOOKS


@HOOKS.register_module()
class DeferredInfoHook(RuntimeInfoHook):
    """:class:`mmengine.hooks.RuntimeInfoHook` that keeps losses on the accelerator until the log is
    printed or saved; it replaces that hook in every config.
    """

    def __init__(self) -> None:
        self._scalars: DeferredScalars | None = None

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: dict | Sequence | None = None,
        outputs: dict | None = None,
    ) -> None:
        """Collect the values of a step."""
        if self._scalars is None or self._scalars.hub is not runner.message_hub:
            self._scalars = DeferredScalars(runner.message_hub)
        for key, value in (outputs or {}).items():
            if isinstance(value, Tensor) and value.device.type != 'cpu':
                self._scalars.update(f'train/{key}', value)
            else:
                runner.message_hub.update_scalar(f'train/{key}', value)
