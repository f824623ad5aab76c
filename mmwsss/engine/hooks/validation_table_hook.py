"""Table of all validations of a run."""

from pathlib import Path
from typing import Any

from mmengine.hooks import Hook
from mmengine.runner import Runner

from mmwsss.registry import HOOKS
from mmwsss.utils.io import read_json, write_json
from mmwsss.utils.tables import text_table

COLUMNS = {
    'seg mIoU': 'seg/mIoU',
    'CAM mIoU': 'cam/mIoU',
    'aux CAM mIoU': 'aux_cam/mIoU',
    'tag F1': 'tags/F1_per_image',
}


@HOOKS.register_module()
class ValidationTableHook(Hook):
    """Logs, after each validation, one line of numbers per validation so far, and keeps them in a
    file that a resumed run continues.

    Args:
        columns (dict, optional): Heading -> name of a metric; cells of missing numbers are empty.
            Default: mIoU of segmentation, CAMs and auxiliary CAMs, and F1 of the tags.
        out_file (str): JSON file in the work directory: a list of ``{"iteration": n, <name of a
            metric>: number}``.
    """

    priority = 'LOWEST'

    def __init__(
        self, columns: dict[str, str] | None = None, *, out_file: str = 'validations.json'
    ) -> None:
        self.columns = dict(COLUMNS if columns is None else columns)
        self.out_file = out_file
        self._rows: list[dict[str, Any]] = []

    def before_train(self, runner: Runner) -> None:
        """Read the validations up to the iteration at which training starts."""
        path = Path(runner.work_dir) / self.out_file
        self._rows = (
            [row for row in read_json(path) if row['iteration'] <= runner.iter]
            if runner.iter and path.is_file()
            else []
        )

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        """Add a line and log the table."""
        if runner.rank != 0 or metrics is None:
            return
        self._rows.append(
            dict(
                iteration=runner.iter,
                **{key: metrics[key] for key in self.columns.values() if key in metrics},
            )
        )
        write_json(Path(runner.work_dir) / self.out_file, self._rows)
        cells = []
        for row in self._rows:
            values = [row.get(key) for key in self.columns.values()]
            cells.append((str(row['iteration']), *values))
        table = text_table(('iteration', *self.columns), cells, 'validations')
        runner.logger.info('\n' + table)
