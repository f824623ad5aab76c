"""Results of a run in one flat file."""

import logging
from pathlib import Path
from typing import Any

from mmengine.evaluator import Evaluator
from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner

from mmwsss.registry import HOOKS
from mmwsss.utils.io import read_json, write_json


@HOOKS.register_module()
class MetricsFileHook(Hook):
    """Writes ``metrics.json`` (flat results in percent, protocol of each metric) and
    ``curves.json`` after every evaluation. Results of an oracle, a model that is trained on more
    than image tags, are marked.

    Args:
        out_file (str): File, relative to the work directory.
    """

    priority = 'LOWEST'

    def __init__(self, out_file: str = 'metrics.json') -> None:
        self.out_file = out_file

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        """Write the validation results of this epoch."""
        self._write(
            runner, runner.val_loop.evaluator, metrics, dict(loop='val', iteration=runner.iter)
        )

    def after_test_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        """Write the test results."""
        self._write(runner, runner.test_loop.evaluator, metrics, dict(loop='test'))

    def _write(
        self,
        runner: Runner,
        evaluator: Evaluator,
        metrics: dict[str, float] | None,
        source: dict[str, Any],
    ) -> None:
        if runner.rank != 0 or metrics is None:
            return
        protocols, curves = {}, {}
        for metric in evaluator.metrics:
            if getattr(metric, 'protocol', None):
                protocols[metric.prefix] = metric.protocol
            if getattr(metric, 'curve', None):
                curves[metric.prefix] = metric.curve
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        supervision = getattr(model, 'supervision', 'image tags')
        if supervision != 'image tags':
            source['supervision'] = supervision
            protocols = {
                prefix: dict(protocol, supervision=supervision)
                for prefix, protocol in protocols.items()
            }
            print_log(f'these results are of {supervision}', 'current', logging.WARNING)
        path = Path(runner.work_dir) / self.out_file
        # the curves are written first: metrics.json marks an evaluation as complete, so that a kill
        # between the two files leaves an evaluation that is repeated
        if curves:
            write_json(path.with_name('curves.json'), curves)
        content: dict[str, Any] = dict(metrics, protocol=dict(protocols, **source))
        write_json(path, content)

    def is_written(self, runner: Runner) -> bool:
        """Whether the files contain the validation of the runner's iteration.

        Args:
            runner (Runner): Runner of a training run.

        Returns:
            bool: Also False if ``metrics.json`` is missing or one of the files is damaged.
        """
        path = Path(runner.work_dir) / self.out_file
        try:
            protocol = read_json(path).get('protocol', {})
            if path.with_name('curves.json').is_file():
                read_json(path.with_name('curves.json'))
        except (OSError, ValueError, AttributeError):
            return False
        return protocol.get('loop') == 'val' and protocol.get('iteration') == runner.iter
